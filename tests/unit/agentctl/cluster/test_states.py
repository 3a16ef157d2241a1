"""The phrase that stands beside a child or pod in the tree."""

from typing import Any

import pytest

from agentctl.cluster import states
from agentctl.cluster.states import Colour, State


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        (
            {"kind": "Deployment", "spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 1}},
            State("2/3 ready, 1 updated", Colour.WAITING),
        ),
        (
            {"kind": "Deployment", "spec": {"replicas": 2}, "status": {"readyReplicas": 2, "updatedReplicas": 2}},
            State("2/2 ready", Colour.GOOD),
        ),
        ({"kind": "Deployment", "spec": {"replicas": 0}, "status": {}}, State("0/0 ready", Colour.GOOD)),
        ({"kind": "Deployment"}, State("0/1 ready, 0 updated", Colour.WAITING)),
        (
            {
                "kind": "HorizontalPodAutoscaler",
                "spec": {"minReplicas": 2, "maxReplicas": 9},
                "status": {"currentReplicas": 4},
            },
            State("4 replicas of 2 to 9"),
        ),
        ({"kind": "PodDisruptionBudget", "status": {"disruptionsAllowed": 1}}, State("1 disruption allowed")),
        (
            {"kind": "Service", "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}, {"port": 9090}]}},
            State("ClusterIP 10.0.0.1, ports 80, 9090"),
        ),
        ({"kind": "Ingress", "spec": {"rules": [{"host": "a.example.com"}]}}, State("a.example.com")),
        ({"kind": "Namespace", "status": {"phase": "Terminating"}}, State("Terminating", Colour.WAITING)),
        (
            {
                "kind": "ExternalSecret",
                "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "SyncError"}]},
            },
            State("SyncError", Colour.BAD),
        ),
        ({"kind": "ConfigMap"}, State("present")),
        ({"kind": "ConfigMap", "metadata": {"deletionTimestamp": "now"}}, State("being deleted", Colour.WAITING)),
    ],
)
def test_a_child_is_described_by_its_kind(child: dict[str, Any], expected: State) -> None:
    assert states.of(child) == expected


def _pod(phase: str, *containers: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Pod", "status": {"phase": phase, "containerStatuses": list(containers)}}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (_pod("Running", {"ready": True}), State("ready", Colour.GOOD)),
        (_pod("Running", {"ready": True, "restartCount": 1}), State("ready, restarted once", Colour.GOOD)),
        (_pod("Running", {"ready": True}, {"ready": False}), State("Running, not ready", Colour.WAITING)),
        (_pod("Pending"), State("Pending", Colour.WAITING)),
        (
            _pod("Pending", {"state": {"waiting": {"reason": "ContainerCreating"}}}),
            State("ContainerCreating", Colour.WAITING),
        ),
        (
            _pod("Running", {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 4}),
            State("CrashLoopBackOff, restarted 4 times", Colour.BAD),
        ),
        (_pod("Failed", {"state": {"terminated": {"reason": "OOMKilled"}}}), State("OOMKilled", Colour.BAD)),
        ({"metadata": {"deletionTimestamp": "now"}}, State("being deleted", Colour.WAITING)),
    ],
)
def test_a_pod_is_described_by_what_holds_it_up(pod: dict[str, Any], expected: State) -> None:
    assert states.of_pod(pod) == expected
