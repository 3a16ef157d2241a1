"""The state of a child or pod, as the tree shows it."""

from typing import Any

import pytest

from agentctl.cluster import states
from agentctl.cluster.states import Colour, DisplayState


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        (
            {"kind": "Deployment", "spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 1}},
            DisplayState("2/3 ready, 1 updated", Colour.WAITING),
        ),
        (
            {"kind": "Deployment", "spec": {"replicas": 2}, "status": {"readyReplicas": 2, "updatedReplicas": 2}},
            DisplayState("2/2 ready", Colour.GOOD),
        ),
        ({"kind": "Deployment", "spec": {"replicas": 0}, "status": {}}, DisplayState("0/0 ready", Colour.GOOD)),
        ({"kind": "Deployment"}, DisplayState("0/1 ready, 0 updated", Colour.WAITING)),
        (
            {
                "kind": "HorizontalPodAutoscaler",
                "spec": {"minReplicas": 2, "maxReplicas": 9},
                "status": {"currentReplicas": 4},
            },
            DisplayState("4 replicas (min 2, max 9)"),
        ),
        ({"kind": "PodDisruptionBudget", "status": {"disruptionsAllowed": 1}}, DisplayState("1 disruption allowed")),
        (
            {"kind": "Service", "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}, {"port": 9090}]}},
            DisplayState("ClusterIP 10.0.0.1, ports 80, 9090"),
        ),
        ({"kind": "Ingress", "spec": {"rules": [{"host": "a.example.com"}]}}, DisplayState("a.example.com")),
        ({"kind": "Namespace", "status": {"phase": "Terminating"}}, DisplayState("Terminating", Colour.WAITING)),
        (
            {
                "kind": "ExternalSecret",
                "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "SyncError"}]},
            },
            DisplayState("SyncError", Colour.BAD),
        ),
        ({"kind": "ConfigMap"}, DisplayState("present")),
        ({"kind": "ConfigMap", "metadata": {"deletionTimestamp": "now"}}, DisplayState("terminating", Colour.WAITING)),
    ],
)
def test_the_state_of_a_child_depends_on_its_kind(child: dict[str, Any], expected: DisplayState) -> None:
    assert states.child_state(child) == expected


def _pod(phase: str, *containers: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Pod", "status": {"phase": phase, "containerStatuses": list(containers)}}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (_pod("Running", {"ready": True}), DisplayState("ready", Colour.GOOD)),
        (_pod("Running", {"ready": True, "restartCount": 1}), DisplayState("ready, restarted once", Colour.GOOD)),
        (_pod("Running", {"ready": True}, {"ready": False}), DisplayState("Running, not ready", Colour.WAITING)),
        (_pod("Pending"), DisplayState("Pending", Colour.WAITING)),
        (
            _pod("Pending", {"state": {"waiting": {"reason": "ContainerCreating"}}}),
            DisplayState("ContainerCreating", Colour.WAITING),
        ),
        (
            _pod("Running", {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 4}),
            DisplayState("CrashLoopBackOff, restarted 4 times", Colour.BAD),
        ),
        (_pod("Failed", {"state": {"terminated": {"reason": "OOMKilled"}}}), DisplayState("OOMKilled", Colour.BAD)),
        ({"metadata": {"deletionTimestamp": "now"}}, DisplayState("terminating", Colour.WAITING)),
    ],
)
def test_the_state_of_a_pod_is_the_reason_why_it_is_not_ready(pod: dict[str, Any], expected: DisplayState) -> None:
    assert states.pod_state(pod) == expected
