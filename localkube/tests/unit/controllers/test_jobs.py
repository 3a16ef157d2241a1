"""Pure functions of the Job controller."""

from typing import Any

import pytest

from localkube.controllers.job_pods import apply_failure_policy, format_indexes, parse_indexes
from localkube.controllers.job_status import Backoff, count_pods, desired_active, failure
from localkube.meta.objects import timestamp

Object = dict[str, Any]


def job(status: Object | None = None, restarts: str = "Never", **spec: Any) -> Object:
    template = {"spec": {"restartPolicy": restarts}}
    given = {"parallelism": 1, "completions": 1, "template": template, **spec}
    return {"metadata": {"name": "job", "namespace": "default"}, "spec": given, "status": status or {}}


def pod(phase: str = "Running", *, code: int | None = None, ended: float = 0, restarts: int = 0, **meta: Any) -> Object:
    state = {"running": {}} if code is None else {"terminated": {"exitCode": code, "finishedAt": timestamp(ended)}}
    container = {"name": "main", "restartCount": restarts, "state": state}
    metadata = {"name": "job-1", "namespace": "default", "finalizers": ["batch.kubernetes.io/job-tracking"], **meta}
    return {"metadata": metadata, "status": {"phase": phase, "containerStatuses": [container]}}


@pytest.mark.parametrize(
    ("text", "numbers"), [("", []), ("3", [3]), ("0,1", [0, 1]), ("0-2,5,7,8", [0, 1, 2, 5, 7, 8])]
)
def test_indexes_are_formatted_as_ranges(text: str, numbers: list[int]) -> None:
    assert sorted(parse_indexes(text)) == numbers
    assert format_indexes(numbers) == text


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (1, 10), (2, 20), (3, 40), (6, 320), (7, 600), (40, 600)])
def test_each_failure_doubles_the_back_off(failures: int, seconds: float) -> None:
    backoff = Backoff()
    backoff.observe([pod("Failed", code=1, ended=at) for at in range(1, failures + 1)], now=100)
    assert backoff.wait(failures, 1.0) == seconds
    assert backoff.wait(failures + seconds, 1.0) == 0
    assert backoff.wait(failures, 0.5) == seconds / 2


def test_a_success_resets_the_back_off() -> None:
    backoff = Backoff()
    backoff.observe([pod("Succeeded", code=0, ended=3), pod("Failed", code=1, ended=2)], now=100)
    assert backoff.wait(3, 1.0) == 0


def test_a_pod_is_counted_once() -> None:
    """The finalizer marks a pod that is not counted yet."""
    counted = pod("Failed", code=1)
    del counted["metadata"]["finalizers"]
    found = count_pods(job({"failed": 1, "succeeded": 2}), [counted, pod("Failed", code=1), pod("Succeeded", code=0)])
    assert (found.failures, found.successes) == (2, 3)


@pytest.mark.parametrize(
    ("spec", "failed"),
    [({}, 1), ({"podReplacementPolicy": "Failed"}, 0), ({"podFailurePolicy": {"rules": []}}, 0)],
)
def test_a_terminating_pod_counts_as_failed_unless_the_job_waits_for_it(spec: Object, failed: int) -> None:
    deleted = pod(deletionTimestamp=timestamp(0))
    found = count_pods(job(**spec), [deleted])
    assert (found.failures, found.terminating, found.active) == (failed, 1, [])


@pytest.mark.parametrize(("limit", "restarts", "fails"), [(0, 0, False), (0, 1, True), (2, 1, False), (2, 2, True)])
def test_restarts_of_containers_count_towards_the_limit(limit: int, restarts: int, fails: bool) -> None:
    given = job(restarts="OnFailure", backoffLimit=limit)
    found = failure(given, count_pods(given, [pod(restarts=restarts)]), 0)
    assert (found is not None) is fails


def test_a_suspended_job_does_not_exceed_its_deadline() -> None:
    started = {"startTime": timestamp(100)}
    given = job(started, activeDeadlineSeconds=10)
    assert failure(given, count_pods(given, [pod()]), 109.9) is None
    late = failure(given, count_pods(given, [pod()]), 110)
    assert late
    assert late.reason == "DeadlineExceeded"
    suspended = job(started, activeDeadlineSeconds=10, suspend=True)
    assert failure(suspended, count_pods(suspended, []), 110) is None


@pytest.mark.parametrize(
    ("rule", "code", "counts", "why"),
    [
        (
            {"onExitCodes": {"operator": "In", "values": [42]}},
            42,
            True,
            "exit code 42 matching FailJob rule at index 0",
        ),
        ({"onExitCodes": {"operator": "In", "values": [42]}}, 1, True, ""),
        ({"onExitCodes": {"operator": "NotIn", "values": [42]}}, 1, True, "exit code 1 matching"),
        ({"onExitCodes": {"containerName": "other", "operator": "In", "values": [1]}}, 1, True, ""),
        ({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1]}}, 1, False, ""),
        ({"action": "Count", "onExitCodes": {"operator": "In", "values": [1]}}, 1, True, ""),
        (
            {"onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            1,
            True,
            "has condition DisruptionTarget",
        ),
    ],
)
def test_a_pod_failure_policy_applies_to_a_failed_pod(rule: Object, code: int, counts: bool, why: str) -> None:
    failed = pod("Failed", code=code)
    failed["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    found = apply_failure_policy(job(podFailurePolicy={"rules": [{"action": "FailJob", **rule}]}), failed)
    assert found[0] is counts
    assert (why in found[1]) if why else not found[1]


@pytest.mark.parametrize(
    ("completions", "parallelism", "succeeded", "active", "expected"),
    [
        (1, 1, 0, 0, 1),
        (5, 2, 0, 0, 2),
        (5, 2, 4, 0, 1),
        (5, 9, 1, 0, 4),
        (None, 3, 0, 1, 3),
        (None, 3, 1, 2, 2),
        (3, 0, 0, 1, 0),
    ],
)
def test_the_desired_number_of_active_pods(
    completions: int | None, parallelism: int, succeeded: int, active: int, expected: int
) -> None:
    given = job({"succeeded": succeeded}, completions=completions, parallelism=parallelism)
    if completions is None:
        del given["spec"]["completions"]
    assert desired_active(given, count_pods(given, [pod()] * active)) == expected
