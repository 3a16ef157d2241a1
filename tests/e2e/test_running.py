"""On a cluster with a node: the agent runs and answers, or its status names the reason."""

import json
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, make_agent
from tests.polling import eventually

pytestmark = pytest.mark.kubelet


def post(cluster: Kubectl, namespace: str, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a message to the agent through the Service proxy of the API server."""
    url = f"/api/v1/namespaces/{namespace}/services/{service}:http/proxy{path}"
    answer: dict[str, Any] = json.loads(cluster.run("create", "--raw", url, "-f", "-", stdin=json.dumps(body)).stdout)
    return answer


def test_an_agent_becomes_ready_and_answers(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("hello", replicas=2))

    kubectl.run("wait", "agd/hello", "--for=condition=Ready", "--timeout=120s")
    answer = post(kubectl, kubectl.namespace, "hello", "/api/chat", {"message": "Are you there?"})

    assert "Are you there?" in answer["response"]
    assert answer["model"] == "echo"
    assert kubectl.get("agd", "hello")["status"]["ready"] == "2/2"


def test_a_changed_prompt_rolls_the_pods(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("rolls", systemPrompt={"text": "One."}))
    kubectl.run("wait", "agd/rolls", "--for=condition=Ready", "--timeout=120s")
    first = kubectl.get("agd", "rolls")["status"]

    kubectl.apply(make_agent("rolls", systemPrompt={"text": "Two."}))

    kubectl.wait_for_condition("rolls", "Ready", "True", "Ready", 90)
    second = eventually("the new revision runs", lambda: kubectl.get("agd", "rolls")["status"])
    assert second["revision"] != first["revision"]
    assert second["lastGoodRevision"] == second["revision"]


def test_a_missing_image_is_reported(kubectl: Kubectl) -> None:
    """Ready names the reason, and lastFailure has the message of the pod."""
    kubectl.apply(make_agent("imageless", runtime={"image": "nowhere/none:1"}))

    failure = eventually(
        "the failure is reported", lambda: kubectl.get("agd", "imageless").get("status", {}).get("lastFailure")
    )

    assert failure["reason"] in {"ErrImagePull", "ImagePullBackOff"}
    assert kubectl.condition("imageless", "Ready")["status"] == "False"


def test_a_bad_change_keeps_the_good_pods_serving(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("kept", replicas=1))
    kubectl.run("wait", "agd/kept", "--for=condition=Ready", "--timeout=120s")

    kubectl.apply(make_agent("kept", runtime={"image": "nowhere/none:1"}))

    eventually("the failure is reported", lambda: kubectl.get("agd", "kept")["status"].get("lastFailure"))
    assert kubectl.condition("kept", "Available")["status"] == "True"
    assert kubectl.condition("kept", "Ready")["status"] == "False"
    assert post(kubectl, kubectl.namespace, "kept", "/api/chat", {"message": "still?"})["response"]


def test_a_spent_budget_is_reported(kubectl: Kubectl) -> None:
    """Without Redis, the pod that has used most counts. The second pod makes the operator look at both at once."""
    config = make_agent()["spec"]["config"] | {"budget": {"tokensPerDay": 1}}
    kubectl.apply(make_agent("spent", config=config))
    kubectl.run("wait", "agd/spent", "--for=condition=Ready", "--timeout=120s")
    post(kubectl, kubectl.namespace, "spent", "/api/chat", {"message": "Are you there?"})
    kubectl.run("scale", "agd/spent", "--replicas=2")

    condition = kubectl.wait_for_condition("spent", "Warning", "True", "BudgetSpent", 90)

    assert "spec.config.budget.tokensPerDay" in condition["message"]
    (usage,) = kubectl.get("agd", "spent")["status"]["usage"]
    assert usage["limit"] == "1"
    assert usage["usedPercent"] >= 100


def test_kubectl_logs_shows_the_logs(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("talks"))
    kubectl.run("wait", "agd/talks", "--for=condition=Ready", "--timeout=120s")

    lines = kubectl.out("logs", "deploy/talks").splitlines()

    assert json.loads(lines[0])
