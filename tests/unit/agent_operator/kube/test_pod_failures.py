"""Failures of pods are recognized and described."""

from typing import Any

import pytest

from agent_operator.kube.pod_failures import of_pod

TERMINATED = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:00Z"}
BACK_OFF = {"reason": "CrashLoopBackOff", "message": "back-off 40s"}


def pod(*containers: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "status": {"containerStatuses": list(containers), **status}}


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "agent", "ready": False, **fields}


FAILING = [
    (
        "a crash loop with the last termination",
        pod(container(state={"waiting": BACK_OFF}, lastState={"terminated": TERMINATED | {"message": " no key \n"}})),
        {
            "container": "agent",
            "reason": "CrashLoopBackOff",
            "exitCode": 137,
            "message": "no key",
            "time": "2026-01-01T00:00:00Z",
        },
    ),
    (
        "an image that cannot be pulled",
        pod(container(state={"waiting": {"reason": "ImagePullBackOff", "message": "not found"}})),
        {"container": "agent", "reason": "ImagePullBackOff", "message": "not found"},
    ),
    (
        "a terminated container",
        pod(container(state={"terminated": TERMINATED})),
        {"container": "agent", "reason": "OOMKilled", "exitCode": 137, "time": "2026-01-01T00:00:00Z"},
    ),
    (
        "a restarted container that is not ready",
        pod(container(state={"running": {}}, lastState={"terminated": {"exitCode": 1}})),
        {"container": "agent", "reason": "Error", "exitCode": 1},
    ),
    (
        "an init container",
        pod(initContainerStatuses=[container(name="init", state={"terminated": {"exitCode": 2, "reason": "Error"}})]),
        {"container": "init", "reason": "Error", "exitCode": 2},
    ),
    ("an evicted pod", pod(phase="Failed", reason="Evicted", message="disk"), {"reason": "Evicted", "message": "disk"}),
    (
        "a pod without a node",
        pod(
            conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]
        ),
        {"reason": "Unschedulable", "message": "0/3 nodes"},
    ),
]
HEALTHY = [
    ("new", pod()),
    ("starting", pod(container(state={"waiting": {"reason": "ContainerCreating"}}))),
    ("ready again", pod(container(ready=True, state={"running": {}}, lastState={"terminated": TERMINATED}))),
    ("completed", pod(container(state={"terminated": {"exitCode": 0}}))),
    ("scheduled", pod(conditions=[{"type": "PodScheduled", "status": "True"}])),
    (
        "being deleted",
        {"metadata": {"name": "p", "deletionTimestamp": "x"}, "status": {"phase": "Failed"}},
    ),
]


@pytest.mark.parametrize(("given", "expected"), [pytest.param(*row[1:], id=row[0]) for row in FAILING])
def test_failing_pod_has_a_failure(given: Any, expected: Any) -> None:
    assert of_pod(given) == {"pod": "p"} | expected


@pytest.mark.parametrize("given", [pytest.param(row[1], id=row[0]) for row in HEALTHY])
def test_healthy_pod_has_no_failure(given: Any) -> None:
    assert of_pod(given) is None


def test_long_message_keeps_its_end() -> None:
    message = "x" * 5000 + "the end"
    failure = of_pod(pod(container(state={"terminated": {"exitCode": 1, "message": message}})))
    assert failure is not None
    assert failure["message"].endswith("the end")
    assert len(failure["message"]) == 1024
