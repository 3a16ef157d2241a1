"""The manifests of a small agent, and their import."""

from collections.abc import Callable
from typing import Any

import pytest

from agentctl.conversion.convert import Conversion, convert
from agentctl.conversion.manifests import parse
from agentctl.conversion.workload import workloads
from agentctl.offline.documents import Document

Object = dict[str, Any]
TOML = '[agent]\n[[agent.models]]\nname = "gpt"\nprovider = "openai"\n'
LABELS = {"app": "old", "tier": "api"}


def deployment(pod: Object | None = None, container: Object | None = None, **spec: Any) -> Object:
    """Return the Deployment `support` with an agent that reads its config from a ConfigMap."""
    agent = {
        "name": "main",
        "image": "agent-operator/agent-runtime:1.0",
        "ports": [{"name": "http", "containerPort": 8000}, {"name": "metrics", "containerPort": 9090}],
        "volumeMounts": [{"name": "files", "mountPath": "/app/config"}],
    }
    volumes = [{"name": "files", "configMap": {"name": "support"}}, *(pod or {}).get("volumes", ())]
    others = (pod or {}).get("containers", ())
    whole = (pod or {}) | {"containers": [agent | (container or {}), *others], "volumes": volumes}
    template = {"metadata": {"labels": LABELS}, "spec": whole}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "support"},
        "spec": {"selector": {"matchLabels": LABELS}, "template": template} | spec,
    }


def config_map(toml: str = TOML, **data: str) -> Object:
    """Return the ConfigMap with agent.toml and the prompt."""
    files = {"agent.toml": toml, "system_prompt.txt": "Be brief.\n"} | data
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "support"}, "data": files}


def manifest(api_version: str, kind: str, spec: Object, name: str = "support", **metadata: Any) -> Object:
    """Return an object with a spec."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name} | metadata, "spec": spec}


@pytest.fixture
def import_objects() -> Callable[..., Conversion]:
    """Import objects, as they are in files; without a ConfigMap among them, with the usual one."""

    def run(*objects: Object, names: tuple[str, ...] = (), new_name: str = "") -> Conversion:
        usual = [] if any(item["kind"] == "ConfigMap" for item in objects) else [config_map()]
        documents = [Document("k8s.yaml", number, item, {"": 1}) for number, item in enumerate([*objects, *usual])]
        (workload,) = workloads(parse(documents, "default")[0], names, new_name)
        return convert(workload)

    return run
