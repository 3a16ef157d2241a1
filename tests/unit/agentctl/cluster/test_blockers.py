"""What an agent that is not ready waits for."""

from typing import Any

import pytest

from agentctl.cluster.blockers import blockers
from agentctl.cluster.snapshot import Child, Snapshot

Object = dict[str, Any]


def condition(kind: str, status: str, reason: str, message: str = "") -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def agent(*conditions: Object) -> Object:
    return {"metadata": {"name": "web"}, "status": {"conditions": list(conditions)}}


def pod(*containers: Object, **status: Any) -> Object:
    return {
        "metadata": {"name": "web-1"},
        "status": {"phase": "Running", "containerStatuses": list(containers)} | status,
    }


ROLLING = condition("Ready", "False", "RollingOut", "0 of 1 pods run the current revision")
HEADLINE = "AgentDeployment web: RollingOut: 0 of 1 pods run the current revision"


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (
            pod({"name": "agent", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not\nfound"}}}),
            "Pod web-1: ImagePullBackOff: not found",
        ),
        (
            pod(
                {
                    "name": "agent",
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                }
            ),
            "Pod web-1: CrashLoopBackOff: container agent ended with exit code 137: back-off 10s",
        ),
        (
            pod(conditions=[condition("PodScheduled", "False", "Unschedulable", "0/1 nodes: Insufficient cpu")]),
            "Pod web-1: Unschedulable: 0/1 nodes: Insufficient cpu",
        ),
        (pod({"name": "agent", "state": {"running": {}}}), "Pod web-1: NotReady: its readiness probe does not succeed"),
        (
            pod({"name": "agent", "state": {"waiting": {"reason": "ContainerCreating"}}}, phase="Pending"),
            "Pod web-1: Pending: its containers are starting",
        ),
    ],
)
def test_a_pod_that_is_not_ready_is_named_with_its_reason(status: Object, line: str) -> None:
    assert [str(item) for item in blockers(Snapshot(agent(ROLLING), (), (status,)))] == [HEADLINE, line]


def test_pods_that_are_ready_or_being_deleted_block_nothing() -> None:
    ready = pod(conditions=[condition("Ready", "True", "")])
    deleted = pod()
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert [str(item) for item in blockers(Snapshot(agent(ROLLING), (), (ready, deleted)))] == [HEADLINE]


def test_the_cause_in_another_condition_is_not_repeated() -> None:
    secret = condition("SecretsReady", "False", "SecretMissing", "Secret keys does not exist: create it")
    conditions = (condition("Ready", "False", "SecretMissing", secret["message"]), secret)

    # The operator has created no children yet.
    missing = Child("Service", "web", ready=False, live=None)

    found = [str(item) for item in blockers(Snapshot(agent(*conditions), (missing,), ()))]

    assert found == ["AgentDeployment web: SecretMissing: Secret keys does not exist: create it"]


def test_children_that_are_missing_not_served_or_failing_are_named() -> None:
    quota = {"status": {"conditions": [condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")]}}
    synced = {"status": {"conditions": [condition("Ready", "False", "SecretSyncedError", "no such key")]}}
    children = (
        Child("Deployment", "web", ready=False, live=quota),
        Child("Service", "web", ready=False, live=None),
        Child("ServiceMonitor", "web", ready=False, live=None, served=False),
        Child("ExternalSecret", "web", ready=False, live=synced),
        Child("Secret", "web", ready=False, live=None),
    )

    assert [str(item) for item in blockers(Snapshot(agent(ROLLING), children, ()))][1:] == [
        "Deployment web: FailedCreate: exceeded quota",
        "Service web: Missing",
        "ServiceMonitor web: NotServed: the API server does not serve this kind: install its CRD",
        "ExternalSecret web: SecretSyncedError: no such key",
    ]


def test_an_agent_that_the_operator_has_not_seen_waits_for_it() -> None:
    (found,) = blockers(Snapshot({"metadata": {"name": "web"}}, (), ()))

    assert found.to_json() == {
        "object": "AgentDeployment web",
        "reason": "Pending",
        "message": "the operator has not reconciled the agent: check that it is running",
    }


def test_a_ready_agent_waits_for_nothing() -> None:
    assert blockers(Snapshot(agent(condition("Ready", "True", "Ready")), (), (pod(),))) == ()
