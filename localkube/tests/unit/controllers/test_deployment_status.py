"""The conditions of a Deployment."""

from typing import Any

import pytest

from localkube.controllers import deployment_status
from localkube.meta.objects import find_condition, timestamp

NOW = 1_800_000_000.0


def progressed(web: dict[str, Any], new: Any, replicasets: list[Any], now: float = NOW) -> dict[str, Any]:
    status = deployment_status.counts(web, new, replicasets, now)
    deployment_status.progress(web, new, status, now)
    return status


def reason(status: dict[str, Any], kind: str) -> Any:
    found = find_condition(status["conditions"], kind)
    return found and (found["status"], found["reason"])


@pytest.mark.parametrize(
    ("available", "expected"), [(3, "MinimumReplicasAvailable"), (2, "MinimumReplicasUnavailable")]
)
def test_available_needs_all_but_max_unavailable(
    deployment: Any, replicaset: Any, available: int, expected: str
) -> None:
    new = replicaset("new", 3, available)
    assert reason(deployment_status.counts(deployment(3), new, [new], NOW), "Available")[1] == expected


def test_a_finished_rollout_has_the_reason_new_replicaset_available(deployment: Any, replicaset: Any) -> None:
    new = replicaset("new", 3)
    status = progressed(deployment(3), new, [new, replicaset("old", 0)])
    assert reason(status, "Progressing") == ("True", "NewReplicaSetAvailable")
    assert status["updatedReplicas"] == status["availableReplicas"] == 3
    assert status["unavailableReplicas"] == 0


def test_a_rollout_without_progress_times_out_at_the_deadline(deployment: Any, replicaset: Any) -> None:
    web, new = deployment(3, progressDeadlineSeconds=60), replicaset("new", 3, 1)
    web["status"] = progressed(web, new, [new])
    assert reason(web["status"], "Progressing") == ("True", "ReplicaSetUpdated")
    assert deployment_status.seconds_left(web, web["status"], NOW) == 60
    assert reason(progressed(web, new, [new], NOW + 59), "Progressing") == ("True", "ReplicaSetUpdated")
    web["status"] = progressed(web, new, [new], NOW + 61)
    assert reason(web["status"], "Progressing") == ("False", "ProgressDeadlineExceeded")
    assert deployment_status.seconds_left(web, web["status"], NOW + 61) is None


def test_progress_extends_the_deadline_but_keeps_the_transition_time(deployment: Any, replicaset: Any) -> None:
    web, new = deployment(3, progressDeadlineSeconds=60), replicaset("new", 3, 1)
    web["status"] = progressed(web, new, [new])
    more = replicaset("new", 3, 2)
    found = find_condition(progressed(web, more, [more], NOW + 50)["conditions"], "Progressing")
    assert found
    assert (found["lastTransitionTime"], found["lastUpdateTime"]) == (timestamp(NOW), timestamp(NOW + 50))


def test_a_finished_rollout_does_not_time_out_when_a_pod_fails_later(deployment: Any, replicaset: Any) -> None:
    web, new = deployment(3, progressDeadlineSeconds=60), replicaset("new", 3)
    web["status"] = progressed(web, new, [new])
    broken = replicaset("new", 3, 1)
    status = progressed(web, broken, [broken], NOW + 1000)
    assert reason(status, "Progressing") == ("True", "NewReplicaSetAvailable")


def test_without_a_deadline_there_is_no_progressing_condition(deployment: Any, replicaset: Any) -> None:
    web = deployment(3, progressDeadlineSeconds=deployment_status.NO_DEADLINE)
    assert reason(progressed(web, replicaset("new", 3), [replicaset("new", 3)]), "Progressing") is None


def test_the_deployment_reports_that_a_pod_cannot_be_created(deployment: Any, replicaset: Any) -> None:
    new = replicaset("new", 3)
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "lastTransitionTime": "t"}
    new["status"]["conditions"] = [failure]
    assert reason(deployment_status.counts(deployment(3), new, [new], NOW), "ReplicaFailure") == (
        "True",
        "FailedCreate",
    )
