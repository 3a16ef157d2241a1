"""The seed's manifests as they are written, applied as its Quick Start says, with our runtime as the image.

Replaced, each at exactly one place:

- the image, because it is what the test is about;
- the endpoint in the Secret, because the seed has a placeholder there that every user replaces. Here it is a fake that
  speaks Azure OpenAI's protocol on loopback.

The other credentials stay the seed's placeholders. The runtime sends them to Entra ID, which is a fake too: the image
sets the variable AZURE_AUTHORITY_HOST (azure-identity's own), and trusts the fakes' certificate. Redis is absent, as on
a cluster without it: the agent answers all the same.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from agent_operator import __version__
from tests.e2e.kubectl import Kubectl
from tests.e2e.processes import localkube, runtime_image
from tests.integration.agent_runtime.certificate import write_certificate
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually

pytestmark = [pytest.mark.local_only, pytest.mark.kubelet, pytest.mark.timeout(600)]

DOCUMENT = Path(__file__).parents[1] / "golden" / "seed.md"
# As the seed applies them, and then what it describes further on. The ServiceAccount comes before the pods that need
# it; the other three are of APIs that are installed separately.
ORDER = [
    *("namespace", "serviceaccount", "configmap", "secret", "deployment", "service", "ingress", "hpa", "pdb"),
    "networkpolicy",
]
SEPARATE = {"secretstore", "externalsecret", "servicemonitor"}
IMAGE = "myregistry.azurecr.io/msft-agent-framework:1.0.0"
ENDPOINT = "https://your-resource.openai.azure.com/"
REFUSAL = {"status": 401, "json": {"error": "invalid_client", "error_description": "AADSTS7000215"}, "always": True}
NAMESPACE = "/api/v1/namespaces/msft-agent"


def manifests() -> dict[str, str]:
    """The text of each manifest by its name in the seed's folder k8s/."""
    blocks = re.findall(r"```yaml\n(# k8s/([a-z]+)\.yaml\n.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return {name: text for text, name in blocks}


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def write(folder: Path, endpoint: str) -> list[str]:
    """Write the manifests to files; return kubectl's options that name them in order."""
    texts = manifests()
    assert set(texts) == {*ORDER, *SEPARATE}
    texts["deployment"] = replaced(texts["deployment"], IMAGE, f"agent-operator/agent-runtime:{__version__}")
    texts["secret"] = replaced(texts["secret"], ENDPOINT, f"{endpoint}/")
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return [part for name in ORDER for part in ("-f", str(folder / f"{name}.yaml"))]


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[ModelServer]:
    """Azure OpenAI and Entra ID in one server, with TLS as both have."""
    server = ModelServer("--certificate", str(write_certificate(tmp_path / "azure.pem")), scheme="https")
    yield server
    server.stop()


@pytest.fixture
def seed(tmp_path: Path, azure: ModelServer) -> Iterator[Kubectl]:
    """A cluster with the seed's namespace, and kubectl in it."""
    variables = (f"AZURE_AUTHORITY_HOST={azure.url}", f"SSL_CERT_FILE={tmp_path / 'azure.pem'}")
    (tmp_path / "k8s").mkdir()
    # The probes run at the seed's own pace.
    with localkube(tmp_path, "--probe-time-scale", "1", *runtime_image("env", *variables)) as cluster:
        kubectl = Kubectl(cluster.kubeconfig, "msft-agent")
        kubectl.run("apply", *write(tmp_path / "k8s", azure.url))
        yield kubectl


def proxied(kubectl: Kubectl, path: str) -> Any:
    return json.loads(kubectl.out("get", "--raw", f"{NAMESPACE}/services/msft-agent:http/proxy{path}"))


def test_the_seeds_pods_become_ready_and_answer(seed: Kubectl, azure: ModelServer) -> None:
    seed.run("rollout", "status", "deployment/msft-agent", "--timeout=110s")

    path = f"{NAMESPACE}/services/msft-agent:http/proxy/api/chat"
    answer = json.loads(seed.run("create", "--raw", path, "-f", "-", stdin='{"message": "hi"}').stdout)

    assert answer["response"] == "model: hi"
    (request,) = azure.seen("/openai/deployments/gpt-4o/chat/completions")
    assert request["query"] == {"api-version": "2024-10-01-preview"}
    assert request["headers"]["authorization"].startswith("Bearer entra-")
    system = yaml.safe_load(manifests()["configmap"])["data"]["system_prompt.txt"]
    assert request["body"]["messages"][0] == {"role": "system", "content": system}
    granted = azure.seen("/your-tenant-id/oauth2/v2.0/token")[0]["body"]
    assert (granted["client_id"], granted["client_secret"]) == ("your-client-id", "your-client-secret")
    _is_as_the_seed_describes(seed)


def _is_as_the_seed_describes(kubectl: Kubectl) -> None:
    """Three replicas without restarts, the response of the health check, metrics, and a log at the level INFO."""
    pods = kubectl.list("pods", labels="app=msft-agent")
    states = [status for pod in pods for status in pod["status"]["containerStatuses"]]
    assert [(state["ready"], state["restartCount"]) for state in states] == [(True, 0)] * 3
    health = proxied(kubectl, "/health")
    assert {"status", "timestamp", "version", "uptime_seconds", "components"} == health.keys()
    found = {component["name"]: component["status"] for component in health["components"]}
    assert found["azure_openai"] == "healthy"
    assert (found["redis"], health["status"]) == ("unhealthy", "degraded")
    metrics = kubectl.out("get", "--raw", f"{NAMESPACE}/services/msft-agent:metrics/proxy/metrics")
    assert "agent_info{" in metrics
    lines = [json.loads(line) for line in kubectl.out("logs", pods[0]["metadata"]["name"]).splitlines()]
    assert {line["level"] for line in lines} >= {"INFO"}
    assert "DEBUG" not in {line["level"] for line in lines}


def test_the_seeds_pods_are_not_ready_while_the_model_rejects_requests(seed: Kubectl, azure: ModelServer) -> None:
    """Readiness needs the model once; liveness never does, so no pod restarts. The pods recover by themselves."""
    azure.script(token=[REFUSAL])
    # Replace the pods that became ready before the line above.
    seed.run("delete", "pods", "--all", "--wait=true")

    def explained() -> bool:
        pods = seed.list("pods", labels="app=msft-agent", fields="status.phase=Running")
        return len(pods) == 3 and all("check AZURE_TENANT_ID" in _readiness(pod) for pod in pods)

    eventually("each pod reports the reason", explained, 120)
    deployment = seed.get("deployment", "msft-agent")
    assert deployment is not None
    assert deployment["status"].get("readyReplicas", 0) == 0

    azure.script()

    seed.run("rollout", "status", "deployment/msft-agent", "--timeout=110s")
    pods = seed.list("pods", labels="app=msft-agent")
    assert {status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"]} == {0}


def _readiness(pod: dict[str, Any]) -> str:
    """The response of the readiness probe of a pod. kubectl does not show the body of an error."""
    try:
        return httpx2.get(f"http://{pod['status']['podIP']}:9090/health/ready").text
    except httpx2.TransportError:
        return ""
