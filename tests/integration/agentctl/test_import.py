"""`agentctl import` from a cluster, and the migration of docs/how-to/migrate.md."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent_runtime import __version__

SEED = Path(__file__).parents[2] / "golden" / "seed.md"
# Of APIs that the local cluster does not have.
SEPARATE = ("externalsecret", "secretstore", "servicemonitor")
NAMESPACE = "msft-agent"

pytestmark = pytest.mark.kubelet


@pytest.fixture(scope="module")
def k8s(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seed's folder k8s/, with our runtime as the image and a model that needs no network."""
    folder = tmp_path_factory.mktemp("k8s")
    blocks = re.findall(r"```yaml\n# k8s/([a-z]+)\.yaml\n(.*?)```", SEED.read_text(encoding="utf-8"), re.DOTALL)
    for name, text in blocks:
        if name not in SEPARATE:
            (folder / f"{name}.yaml").write_text(_offline(text), encoding="utf-8")
    return folder


def _offline(text: str) -> str:
    image = f"agent-operator/agent-runtime:{__version__}"
    edited = text.replace("myregistry.azurecr.io/msft-agent-framework:1.0.0", image)
    for removed in (r"\n *deployment = .*", r"\n *api_version = .*", r"\n *\[agent\.memory\.cache\](\n *\w+ = .*)*"):
        edited = re.sub(removed, "", edited)
    return edited.replace('provider = "azure_openai"', 'provider = "echo"')


@pytest.fixture(scope="module")
def deployed(cluster: Any, k8s: Path) -> Any:
    """The local cluster with the seed's objects, whose pods are ready."""
    cluster.kubectl("apply", "-f", k8s / "namespace.yaml")
    cluster.kubectl("apply", "-f", k8s)
    cluster.kubectl("rollout", "status", "deployment/msft-agent", "-n", NAMESPACE, "--timeout=120s")
    return cluster


def test_a_namespace_gives_the_same_agent_as_its_files(deployed: Any, k8s: Path) -> None:
    """Defaults, addresses, status and managedFields of the API server do not matter."""
    from_files, from_cluster = deployed.agentctl("import", "-f", k8s), deployed.agentctl("import", "-n", NAMESPACE)

    assert (from_files.returncode, from_cluster.returncode) == (0, 0)
    assert from_cluster.stdout == from_files.stdout
    assert yaml.safe_load(from_cluster.stdout.removeprefix("---\n"))["metadata"]["namespace"] == NAMESPACE
    assert "your-client-secret" not in from_cluster.stdout + from_cluster.stderr


def test_a_namespace_without_deployments_is_an_error(deployed: Any) -> None:
    done = deployed.agentctl("import", "-n", "kube-public")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: no Deployments found in namespace kube-public: choose another namespace with -n\n"


def test_diff_shows_what_adoption_would_change(deployed: Any, tmp_path: Path) -> None:
    """First with the annotation, then without. Nothing is written."""
    agent = tmp_path / "agent.yaml"
    imported = deployed.agentctl("import", "-n", NAMESPACE, "--adopt", "--output-file", agent)
    assert imported.returncode == 0
    before = deployed.kubectl("get", "deploy,svc,cm", "-n", NAMESPACE, "-o", "yaml")

    shown = deployed.agentctl("diff", "-f", agent)

    assert shown.returncode == 0
    found = shown.stdout.splitlines()
    assert "Deployment/msft-agent adopted: a rolling update replaces its pods" in found
    assert "Service/msft-agent adopted" in found
    assert "+        - mountPath: /tmp" in found
    assert any(line.startswith("-") and line.endswith("subPath: agent.toml") for line in found)
    assert any(line.startswith("ConfigMap/msft-agent-config-") and line.endswith(" created") for line in found)
    assert "Deployment/msft-agent conflict" not in shown.stdout

    text = agent.read_text(encoding="utf-8")
    agent.write_text(text.replace("Service/msft-agent", "Service/other"), encoding="utf-8")
    shown = deployed.agentctl("diff", "-f", agent)

    message = "Service/msft-agent conflict: it does not belong to the agent: delete it, or add Service/msft-agent"
    assert message in shown.stdout
    assert deployed.kubectl("get", "deploy,svc,cm", "-n", NAMESPACE, "-o", "yaml") == before


def test_the_new_agent_takes_over_the_traffic_of_the_old_service(
    deployed: Any, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    target = tmp_path / "agent.yaml"
    done = deployed.agentctl(
        "import", "-n", NAMESPACE, "msft-agent", "--name", "msft-agent-v2", "--output-file", target
    )
    assert done.returncode == 0, done.stderr

    deployed.kubectl("apply", "-f", target)
    deployed.kubectl("wait", "agd/msft-agent-v2", "-n", NAMESPACE, "--for=condition=Ready", "--timeout=120s")
    patch = json.dumps([{"op": "replace", "path": "/spec/selector", "value": {"app": "msft-agent-v2"}}])
    deployed.kubectl("patch", "service", "msft-agent", "-n", NAMESPACE, "--type=json", "-p", patch)

    eventually("the old Service has the new pods", lambda: _ready_pods(deployed) == _pods(deployed, "msft-agent-v2"))
    deployed.kubectl("delete", "-n", NAMESPACE, "hpa/msft-agent", "deployment/msft-agent", "pdb/msft-agent")
    assert _ready_pods(deployed) == _pods(deployed, "msft-agent-v2")
    again = deployed.agentctl("import", "-n", NAMESPACE)
    assert again.returncode == 1
    assert "no Deployment with an agent.toml or the image agent-runtime found" in again.stderr


def _ready_pods(cluster: Any) -> set[str]:
    slices = cluster.kubectl(
        "get", "endpointslices", "-n", NAMESPACE, "-l", "kubernetes.io/service-name=msft-agent", "-o", "json"
    )
    endpoints = [item for found in json.loads(slices)["items"] for item in found["endpoints"] or ()]
    return {item["targetRef"]["name"] for item in endpoints if item["conditions"]["ready"]}


def _pods(cluster: Any, app: str) -> set[str]:
    found = json.loads(cluster.kubectl("get", "pods", "-n", NAMESPACE, "-l", f"app={app}", "-o", "json"))
    return {item["metadata"]["name"] for item in found["items"]}
