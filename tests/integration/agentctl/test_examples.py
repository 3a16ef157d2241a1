"""Every example, applied with kubectl to the local cluster, becomes ready there.

Its models are replaced by `echo`, for there is no network, and one pod is enough; all else stays as it is written. The
optional APIs that examples are about are there as CRDs; what would fill a Secret, from a vault or from a sealed one, is
played by the test. A sidecar is left out, for the local cluster has no program for its image.
"""

from pathlib import Path
from typing import Any

import pytest

from tests import fast_yaml as yaml

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*/agent.yaml"))
OPTIONAL = (
    ("external-secrets.io", "v1", "ExternalSecret", "externalsecrets"),
    ("external-secrets.io", "v1", "SecretStore", "secretstores"),
    ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
    ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
)

pytestmark = pytest.mark.kubelet


def _crd(group: str, version: str, kind: str, plural: str) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    names = {"kind": kind, "plural": plural}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
    }


@pytest.fixture(scope="module")
def complete(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The cluster with every API that an example uses."""
    path = tmp_path_factory.mktemp("crds") / "crds.yaml"
    path.write_text(yaml.safe_dump_all(_crd(*names) for names in OPTIONAL), encoding="utf-8")
    cluster.kubectl("apply", "-f", path)
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    return cluster


def _offline(path: Path) -> list[dict[str, Any]]:
    """The example's objects, in the namespace of the example, with a model that needs nothing and one pod."""
    objects = [item for item in yaml.safe_load_all(path.read_text(encoding="utf-8")) if item]
    for spec in (item["spec"] for item in objects if item["kind"] == "AgentDeployment"):
        spec["config"] = spec["config"] | {"models": [{"name": "echo", "provider": "echo"}]}
        spec["config"].pop("defaultModel", None)
        spec["replicas"] = 1
        if "autoscaling" in spec:
            spec["autoscaling"] |= {"minReplicas": 1}
        pod = spec.get("podTemplate", {}).get("spec", {})
        pod["containers"] = [container for container in pod.get("containers", ()) if container["name"] == "agent"]
    return objects


def _play_external_secrets(cluster: Any, agent: dict[str, Any]) -> None:
    """Write the Secret that an ExternalSecret asks for, once its namespace is there."""
    external = agent["spec"].get("credentials", {}).get("externalSecret")
    if not external:
        return
    name = agent["metadata"]["name"]
    there = agent["spec"].get("namespace", {}).get("name", "default")
    cluster.kubectl("wait", f"externalsecret/{name}-secrets", "-n", there, "--for=create", "--timeout=120s")
    values = [f"--from-literal={key}=https://example.com/" for key in external["data"]]
    cluster.kubectl("create", "secret", "generic", f"{name}-secrets", "-n", there, *values)


def _play_sealed_secrets(cluster: Any, folder: Path) -> None:
    """Write the Secrets that the sealed ones of an example stand for."""
    for path in folder.glob("sealed-*.yaml"):
        sealed = yaml.safe_load(path.read_text(encoding="utf-8"))
        meta, values = sealed["metadata"], [f"--from-literal={key}=opened" for key in sealed["spec"]["encryptedData"]]
        cluster.kubectl("create", "secret", "generic", meta["name"], "-n", meta["namespace"], *values)


def _play_user(cluster: Any, agent: dict[str, Any], namespace: str) -> None:
    """Write the API keys, which belong into no file of an example."""
    if keys := agent["spec"].get("apiKeys"):
        reference = keys["secretKeyRef"]
        value = f"--from-literal={reference['key']}=one"
        cluster.kubectl("create", "secret", "generic", reference["name"], "-n", namespace, value)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_becomes_ready(complete: Any, path: Path, tmp_path: Path) -> None:
    objects = _offline(path)
    agents = [item for item in objects if item["kind"] == "AgentDeployment"]
    file = tmp_path / "example.yaml"
    file.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    for namespace in {_namespace(agent) for agent in agents} - {"default"}:
        complete.kubectl("create", "namespace", namespace)

    complete.kubectl("apply", "-f", file)
    for agent in agents:
        _becomes_ready(complete, path.parent, agent)
    complete.kubectl("delete", "-f", file, "--wait=false")


def _namespace(agent: dict[str, Any]) -> str:
    return str(agent["metadata"].get("namespace", "default"))


def _becomes_ready(complete: Any, folder: Path, agent: dict[str, Any]) -> None:
    name, namespace = agent["metadata"]["name"], _namespace(agent)
    _play_external_secrets(complete, agent)
    _play_sealed_secrets(complete, folder)
    _play_user(complete, agent, namespace)
    complete.kubectl("wait", f"agd/{name}", "-n", namespace, "--for=condition=Ready", "--timeout=120s")

    tree = complete.agentctl("status", name, "-n", namespace).stdout
    assert "missing" not in tree
    assert "not installed" not in tree
