"""Every example becomes ready on the local cluster after `kubectl apply`.

The models of the examples are the server in examples/fake-model. The tests replace the other models by `echo`, and use
one replica. They remove sidecars, because the local cluster has no program for their images. Optional APIs are CRDs
only, and the tests write the Secrets of External Secrets and Sealed Secrets.
"""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import fast_yaml as yaml

FOLDER = Path(__file__).parents[3] / "examples"
EXAMPLES = sorted(FOLDER.glob("*/agent.yaml"))
# Their models are those of vendors, or need a token of a ServiceAccount, which the local cluster does not mount.
OUTSIDE = {"02-azure-openai", "08-external-secrets", "10-seed", "12-sealed-secrets", "19-models", "20-agent-to-agent"}
# The operator reads the Service of a model, or renders for a canary. tests/unit compares all examples.
COMPARED = {"15-canary", "23-fallbacks"}
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
def cluster_with_apis(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The cluster with the CRDs of all optional APIs, and the fake model."""
    cluster.kubectl("apply", "-f", FOLDER / "fake-model" / "server.yaml")
    path = tmp_path_factory.mktemp("crds") / "crds.yaml"
    path.write_text(yaml.safe_dump_all(_crd(*names) for names in OPTIONAL), encoding="utf-8")
    cluster.kubectl("apply", "-f", path)
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    cluster.kubectl("rollout", "status", "deployment/fake-model", "-n", "models", "--timeout=120s")
    return cluster


def make_offline(path: Path) -> list[dict[str, Any]]:
    """Return the objects of an example with one replica, without models of vendors and without sidecars."""
    objects = [item for item in yaml.safe_load_all(path.read_text(encoding="utf-8")) if item]
    for spec in (item["spec"] for item in objects if item["kind"] == "AgentDeployment"):
        if path.parent.name in OUTSIDE:
            spec["config"] = spec["config"] | {"models": [{"name": "echo", "provider": "echo"}]}
            for field in ("defaultModel", "fallbacks"):
                spec["config"].pop(field, None)
        spec["replicas"] = 1
        if not spec.get("autoscaling", {"external": True}).get("external"):
            spec["autoscaling"] |= {"minReplicas": 1}
        pod = spec.get("podTemplate", {}).get("spec", {})
        pod["containers"] = [container for container in pod.get("containers", ()) if container["name"] == "agent"]
    return objects


def write_external_secret(cluster: Any, agent: dict[str, Any]) -> None:
    """Write the Secret of an ExternalSecret, when the ExternalSecret exists."""
    external = agent["spec"].get("credentials", {}).get("externalSecret")
    if not external:
        return
    name = agent["metadata"]["name"]
    namespace = agent["spec"].get("namespace", {}).get("name", "default")
    cluster.kubectl("wait", f"externalsecret/{name}-secrets", "-n", namespace, "--for=create", "--timeout=120s")
    values = [f"--from-literal={key}=https://example.com/" for key in external["data"]]
    cluster.kubectl("create", "secret", "generic", f"{name}-secrets", "-n", namespace, *values)


def write_sealed_secrets(cluster: Any, folder: Path) -> None:
    """Write the Secrets of the SealedSecrets of an example."""
    for path in folder.glob("sealed-*.yaml"):
        sealed = yaml.safe_load(path.read_text(encoding="utf-8"))
        meta, values = sealed["metadata"], [f"--from-literal={key}=opened" for key in sealed["spec"]["encryptedData"]]
        cluster.kubectl("create", "secret", "generic", meta["name"], "-n", meta["namespace"], *values)


def write_api_keys(cluster: Any, agent: dict[str, Any], namespace: str) -> None:
    """Write the Secret with the API keys, which the README creates by a command."""
    if keys := agent["spec"].get("apiKeys"):
        reference = keys["secretKeyRef"]
        value = f"--from-literal={reference['key']}=one"
        cluster.kubectl("create", "secret", "generic", reference["name"], "-n", namespace, value)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_becomes_ready(cluster_with_apis: Any, path: Path, tmp_path: Path) -> None:
    objects = make_offline(path)
    agents = [item for item in objects if item["kind"] == "AgentDeployment"]
    file = tmp_path / "example.yaml"
    file.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    for namespace in {_namespace(agent) for agent in agents} - {"default"}:
        cluster_with_apis.kubectl("create", "namespace", namespace)

    cluster_with_apis.kubectl("apply", "-f", file)
    for agent in agents:
        check_ready(cluster_with_apis, path.parent, agent)
    if path.parent.name in COMPARED:
        actions = cluster_with_apis.agentctl("diff", "-f", file).stdout.splitlines()
        assert actions
        assert all(line.endswith(("unchanged", "reads no Secrets", "serve this kind")) for line in actions), actions
    check_answer(cluster_with_apis, path.parent.name, agents[0]["metadata"]["name"])
    cluster_with_apis.kubectl("delete", "-f", file, "--wait=false")


def check_answer(cluster: Any, example: str, name: str) -> None:
    """Check what the README of an example says about the answer of the agent."""
    expected = {
        "22-mcp-tools": {"response": "Goods may be sent back within 14 days."},
        "23-fallbacks": {"model": "llama"},
        "24-budget": {"status": 429, "code": "budget_spent"},
        "26-a2a": {"jsonrpc": "2.0"},
    }.get(example)
    if expected is None:
        return
    url = "http://" + cluster.kubectl("get", f"service/{name}", "-o", "jsonpath={.spec.clusterIP}")
    if example == "26-a2a":
        message = {"messageId": "1", "role": "ROLE_USER", "parts": [{"text": "Hello"}]}
        request = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}
        answer = httpx.post(f"{url}/a2a", json=request, headers={"A2A-Version": "1.0"}, timeout=30).json()
        assert "result" in answer, answer
    else:
        requests = 6 if example == "24-budget" else 1
        answers = [httpx.post(f"{url}/api/chat", json={"message": "Hello"}, timeout=30).json() for _ in range(requests)]
        answer = answers[-1]
    assert answer == answer | expected


def test_every_example_is_listed_with_its_needs_and_has_names_of_its_own() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[2:4] for line in index.splitlines() if line.startswith("| ") and "](" in line]
    listed = {example.partition("[")[2].partition("]")[0]: needs.strip() for example, needs in rows}
    assert listed.keys() >= {path.parent.name for path in EXAMPLES}
    assert all(listed.values())

    names = [
        (item["kind"], _namespace(item), item["metadata"]["name"])
        for path in EXAMPLES
        for item in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if item
    ]
    assert len(names) == len(set(names))


def _namespace(agent: dict[str, Any]) -> str:
    return str(agent["metadata"].get("namespace", "default"))


def check_ready(cluster: Any, folder: Path, agent: dict[str, Any]) -> None:
    name, namespace = agent["metadata"]["name"], _namespace(agent)
    write_external_secret(cluster, agent)
    write_sealed_secrets(cluster, folder)
    write_api_keys(cluster, agent, namespace)
    cluster.kubectl("wait", f"agd/{name}", "-n", namespace, "--for=condition=Ready", "--timeout=120s")

    children, _, _ = cluster.agentctl("status", name, "-n", namespace).stdout.partition("\n\n")
    assert "Deployment" in children
    assert "missing" not in children
    assert "not installed" not in children
