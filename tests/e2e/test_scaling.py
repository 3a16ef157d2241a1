"""Autoscalers of others scale an agent through its scale subresource, and strategies reach the Deployment."""

from functools import partial
from typing import Any

from tests.e2e.kubectl import Kubectl, make_agent
from tests.polling import eventually


def autoscaler(api_version: str, kind: str, name: str, fewest: int) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "theirs"},
        "spec": {
            "scaleTargetRef": {"apiVersion": api_version, "kind": kind, "name": name},
            "minReplicas": fewest,
            "maxReplicas": 6,
        },
    }


def deployment(kubectl: Kubectl, name: str) -> dict[str, Any]:
    found = kubectl.get("deployment", name)
    assert found is not None
    return found


def ready(kubectl: Kubectl, name: str) -> str:
    agent = kubectl.get("agd", name) or {}
    return str(agent.get("status", {}).get("ready"))


def test_an_autoscaler_of_the_deployment_is_reported_and_not_fought(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("misled", replicas=1))
    kubectl.wait_for_condition("misled", "Ready", "True", "Ready", 90)
    before = deployment(kubectl, "misled")["metadata"]["generation"]

    kubectl.apply(autoscaler("apps/v1", "Deployment", "misled", 3))

    warning = kubectl.wait_for_condition("misled", "Warning", "True", "AutoscalerTargetsDeployment", 60)
    assert "HorizontalPodAutoscaler" in warning["message"]
    assert "kind AgentDeployment, name misled" in warning["message"]
    eventually("three pods are ready", lambda: ready(kubectl, "misled") == "3/3")
    # Every write of either writer is a generation: the autoscaler's, and the hand-over.
    assert deployment(kubectl, "misled")["metadata"]["generation"] - before <= 3

    # The remedy: the autoscaler writes spec.replicas, and the operator follows.
    kubectl.apply(autoscaler("agent-operator.dev/v1alpha1", "AgentDeployment", "misled", 2))
    eventually("the agent is scaled", lambda: (kubectl.get("agd", "misled") or {})["spec"]["replicas"] == 2)


def test_an_external_autoscaler_scales_to_zero_and_back(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("external", replicas=1, autoscaling={"external": True}))
    kubectl.wait_for_condition("external", "Ready", "True", "Ready", 90)
    assert not kubectl.list("hpa")

    kubectl.run("scale", "agd/external", "--replicas=0")
    kubectl.wait_for_condition("external", "Ready", "True", "ScaledToZero", 60)
    assert deployment(kubectl, "external")["spec"]["replicas"] == 0

    kubectl.run("scale", "agd/external", "--replicas=1")
    kubectl.wait_for_condition("external", "Ready", "True", "Ready", 90)
    kubectl.apply(autoscaler("agent-operator.dev/v1alpha1", "AgentDeployment", "external", 2))
    eventually("two pods are ready", lambda: ready(kubectl, "external") == "2/2")


STRATEGIES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"strategy": "Recreate"}, {"type": "Recreate"}),
    (
        {"rollingUpdate": {"maxSurge": "50%"}},
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}},
    ),
    ({"strategy": "Recreate"}, {"type": "Recreate"}),
    ({}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
]


def test_the_strategy_and_the_history_of_the_deployment_follow_the_spec(kubectl: Kubectl) -> None:
    for number, (rollout, expected) in enumerate(STRATEGIES):
        limited = rollout | {"revisionHistoryLimit": 2}
        kubectl.apply(make_agent("history", replicas=0, rollout=limited, systemPrompt={"text": f"Prompt {number}."}))
        eventually(f"the strategy is {expected}", partial(_has_observed, kubectl, expected))
    eventually("two old ReplicaSets remain", lambda: len(kubectl.list("replicasets")) == 3)


def _has_observed(kubectl: Kubectl, strategy: dict[str, Any]) -> bool:
    found = kubectl.get("deployment", "history")
    if found is None or found["spec"]["strategy"] != strategy:
        return False
    observed: object = found.get("status", {}).get("observedGeneration")
    return observed == found["metadata"]["generation"]
