"""Failures of pods are recognized and described."""

from typing import Any

import pytest

from agent_operator.kube.pod_failures import describe, of_deployment, of_pod, unready_sidecars, with_earlier_cause

CRASHED = {"exitCode": 2, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}
TERMINATED = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:00Z"}
BACK_OFF = {"reason": "CrashLoopBackOff", "message": "back-off 40s"}


def pod(*containers: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "status": {"containerStatuses": list(containers), **status}}


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "agent", "ready": False, **fields}


FAILING = [
    (
        "a crash loop with the last termination",
        pod(container(state={"waiting": BACK_OFF}, lastState={"terminated": CRASHED | {"message": " no key \n"}})),
        {
            "container": "agent",
            "reason": "CrashLoopBackOff",
            "exitCode": 2,
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
        pod(container(state={"terminated": CRASHED})),
        {"container": "agent", "reason": "Error", "exitCode": 2, "time": "2026-01-01T00:00:00Z"},
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


def with_limits(found: dict[str, Any], **limits: str) -> dict[str, Any]:
    containers = [{"name": name, "resources": {"limits": {"memory": limit}}} for name, limit in limits.items()]
    return found | {"spec": {"containers": containers}}


@pytest.mark.parametrize(
    ("name", "limits", "expected"),
    [
        ("agent", {"agent": "256Mi"}, "exceeded its memory limit of 256Mi: raise spec.resources.limits.memory"),
        ("side", {"side": "1Gi"}, "of 1Gi: raise spec.podTemplate.spec.containers[side].resources.limits.memory"),
        ("agent", {}, "was killed because its node had no free memory: raise spec.resources.limits.memory"),
    ],
)
def test_memory_limit_is_named_with_the_field_to_raise(name: str, limits: dict[str, str], expected: str) -> None:
    killed = pod(container(name=name, state={"terminated": TERMINATED}))

    failure = of_pod(with_limits(killed, **limits))

    assert failure is not None
    assert failure["reason"] == "OOMKilled"
    assert expected in failure["message"]


BACK_OFF_WITH_CAUSE = 'Back-off pulling image "x:1": ErrImagePull: rpc error: code = NotFound: no such image'
PULLS = [
    {"reason": "ErrImagePull", "message": "rpc error: code = NotFound: no such image"},
    {"reason": "ImagePullBackOff", "message": BACK_OFF_WITH_CAUSE},
    {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x:1"'},
]
SEQUENCES = {
    "out of memory": (
        [
            container(restartCount=1, state={"terminated": TERMINATED}),
            container(restartCount=1, state={"waiting": BACK_OFF}, lastState={"terminated": TERMINATED}),
            container(restartCount=2, state={"running": {}}, lastState={"terminated": TERMINATED}),
        ],
        "OOMKilled",
    ),
    "crash loop": (
        [
            container(restartCount=1, state={"terminated": CRASHED}),
            container(restartCount=1, state={"waiting": BACK_OFF}, lastState={"terminated": CRASHED}),
            container(
                restartCount=1,
                state={"waiting": BACK_OFF | {"message": "back-off 5m"}},
                lastState={"terminated": CRASHED},
            ),
            container(restartCount=2, state={"running": {}}, lastState={"terminated": CRASHED}),
        ],
        "CrashLoopBackOff",
    ),
    "image": ([container(state={"waiting": waiting}) for waiting in PULLS], "ImagePullBackOff"),
    "no such program": (
        [
            container(state={"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such file"}}),
            container(
                state={"waiting": BACK_OFF},
                lastState={"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such file"}},
            ),
        ],
        "StartError",
    ),
}


@pytest.mark.parametrize(("states", "reason"), SEQUENCES.values(), ids=SEQUENCES)
def test_failure_stays_the_same_while_the_kubelet_tries_again(states: list[dict[str, Any]], reason: str) -> None:
    found: list[dict[str, Any] | None] = [None]
    for state in states + states:
        found.append(with_earlier_cause(of_pod(pod(state)), found[-1]))

    assert found[1] is not None
    assert found[1]["reason"] == reason
    assert all(failure == found[1] for failure in found[1:])


def test_cause_of_another_failure_is_not_kept() -> None:
    before = {"pod": "p", "container": "side", "reason": "ImagePullBackOff", "message": "no such image"}

    found = with_earlier_cause(of_pod(pod(container(state={"waiting": PULLS[2]}))), before)

    assert found == {"pod": "p", "container": "agent", "reason": "ImagePullBackOff"}


def test_rejected_pods_are_a_failure_of_their_deployment() -> None:
    message = 'pods "web-1" is forbidden: exceeded quota: small'
    rejected = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}

    found = of_deployment([{"type": "Available", "status": "True"}, rejected])

    assert found == {"reason": "FailedCreate", "message": message}
    assert describe(found) == f"the pods are rejected: FailedCreate: {message}"
    assert of_deployment([rejected | {"status": "False"}]) is None
    assert of_deployment([]) is None


def test_description_names_other_containers_than_the_agent() -> None:
    crash = {"pod": "p", "reason": "CrashLoopBackOff", "exitCode": 1}

    assert describe(crash | {"container": "agent"}) == "pod p: CrashLoopBackOff with exit code 1"
    assert describe(crash | {"container": "side"}) == "pod p, container side: CrashLoopBackOff with exit code 1"


def test_sidecars_that_are_not_ready_are_listed() -> None:
    agent, side = container(), container(name="side")
    init = container(name="init", ready=True)

    running = pod(agent, side, phase="Running", initContainerStatuses=[init])

    assert unready_sidecars(running) == ["side"]
    assert unready_sidecars(pod(agent, side, phase="Pending")) == []
    assert unready_sidecars(pod(agent, container(name="side", ready=True), phase="Running")) == []
