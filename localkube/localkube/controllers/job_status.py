"""Compute the status of a Job from its pods, and whether the Job is finished. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from localkube.controllers.job_pods import (
    apply_failure_policy,
    ended_at,
    format_indexes,
    has_failed,
    has_succeeded,
    index_of,
    is_indexed,
    is_tracked,
    parse_indexes,
    restarts,
)
from localkube.meta.objects import (
    find_condition,
    is_deleting,
    is_true,
    timestamp,
    unix_seconds,
    with_condition,
)
from localkube.meta.pods import is_active, is_finished, is_ready
from localkube.meta.status import Object

FIRST_BACKOFF = 10.0  # seconds; doubled per failure since the last success
LAST_BACKOFF = 600.0


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a Job finishes: a first condition at once, and a final one when its pods are gone."""

    target: str  # SuccessCriteriaMet or FailureTarget
    reason: str
    message: str

    @property
    def final(self) -> str:
        """The type of the final condition."""
        return "Complete" if self.target == "SuccessCriteriaMet" else "Failed"


COMPLETIONS_REACHED = JobResult("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")
BACKOFF_LIMIT_EXCEEDED = JobResult(
    "FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
)
DEADLINE_EXCEEDED = JobResult("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")


@dataclass(slots=True)
class Backoff:
    """The failures of a Job since its last success."""

    failures: int = 0
    last: float = 0.0  # time when the last pod ended, in Unix seconds

    def observe(self, pods: Iterable[Object], now: float) -> None:
        """Count pods that have newly finished."""
        for ended, pod in sorted(((ended_at(p, now), p) for p in pods), key=lambda found: found[0]):
            self.failures = 0 if has_succeeded(pod) else self.failures + 1
            self.last = ended

    def wait(self, now: float, scale: float) -> float:
        """Seconds until the next pod may be created."""
        if not self.failures:
            return 0.0
        delay = min(FIRST_BACKOFF * 2 ** min(self.failures - 1, 16), LAST_BACKOFF) * scale
        return float(max(self.last + delay - now, 0.0))


@dataclass(slots=True)
class JobCounts:
    """The pods of a Job, and its counts including pods that have newly finished."""

    active: list[Object] = field(default_factory=list)
    succeeded: list[Object] = field(default_factory=list)  # newly finished: the status does not count them yet
    failed: list[Object] = field(default_factory=list)  # newly finished, too
    terminating: int = 0
    ready: int = 0
    successes: int = 0
    failures: int = 0
    completed: set[int] = field(default_factory=set)  # completion indexes of succeeded pods
    policy_failure: str = ""  # why a podFailurePolicy fails the Job

    @property
    def ended(self) -> list[Object]:
        """The pods that have newly finished."""
        return [*self.succeeded, *self.failed]


def count_pods(job: Object, pods: list[Object]) -> JobCounts:
    """Count the pods of a Job."""
    status = job.get("status", {})
    found = JobCounts(
        active=[p for p in pods if is_active(p)],
        succeeded=[p for p in pods if is_tracked(p) and has_succeeded(p)],
        failed=[p for p in pods if is_tracked(p) and has_failed(job, p)],
        terminating=sum(is_deleting(p) and not is_finished(p) for p in pods),
        successes=status.get("succeeded", 0),
        failures=status.get("failed", 0),
    )
    found.ready = sum(is_ready(p) for p in found.active)
    if is_indexed(job):
        new = {i for p in found.succeeded if (i := index_of(p)) is not None and i < job["spec"]["completions"]}
        found.completed = parse_indexes(status.get("completedIndexes", "")) | new
        found.successes = len(found.completed)
    else:
        found.successes += len(found.succeeded)
    for pod in found.failed:
        counts, why = apply_failure_policy(job, pod)
        found.failures += counts
        found.policy_failure = found.policy_failure or why
    return found


def failure(job: Object, found: JobCounts, now: float) -> JobResult | None:
    """Why the Job fails, now or already; None if it does not fail."""
    target = find_condition(job.get("status", {}).get("conditions"), "FailureTarget")
    if target is not None and target["status"] == "True":
        return JobResult("FailureTarget", target["reason"], target["message"])
    if found.policy_failure:
        return JobResult("FailureTarget", "PodFailurePolicy", found.policy_failure)
    limit = job["spec"].get("backoffLimit", 6)
    if found.failures > limit or _restarted_too_often(job, found.active, limit):
        return BACKOFF_LIMIT_EXCEEDED
    return DEADLINE_EXCEEDED if seconds_left(job, now) == 0 else None


def _restarted_too_often(job: Object, active: list[Object], limit: int) -> bool:
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    return restarts(active) >= max(limit, 1)


def seconds_left(job: Object, now: float) -> float | None:
    """Seconds until activeDeadlineSeconds have passed; None if no deadline applies."""
    deadline = job["spec"].get("activeDeadlineSeconds")
    started = job.get("status", {}).get("startTime")
    if deadline is None or started is None or is_suspended(job):
        return None
    return max(unix_seconds(started) + float(deadline) - now, 0.0)


def is_suspended(job: Object) -> bool:
    """Whether spec.suspend is set."""
    return bool(job["spec"].get("suspend"))


def is_complete(job: Object, found: JobCounts) -> bool:
    """Whether enough pods have succeeded."""
    completions = job["spec"].get("completions")
    if completions is None:
        return found.successes > 0 and not found.active
    return found.successes >= int(completions)


def is_over(job: Object) -> bool:
    """Whether the Job has the condition Complete or Failed."""
    conditions = job.get("status", {}).get("conditions")
    return is_true(conditions, "Complete") or is_true(conditions, "Failed")


def desired_active(job: Object, found: JobCounts) -> int:
    """How many pods should be active."""
    parallelism = int(job["spec"].get("parallelism", 1))
    completions = job["spec"].get("completions")
    if completions is None:
        return len(found.active) if found.successes else parallelism
    return max(min(parallelism, int(completions) - found.successes), 0)


def status_of(job: Object, found: JobCounts, conditions: list[Object]) -> Object:
    """The status of a Job with these counts. Like the real controller, it leaves out some counts of zero."""
    old = job.get("status", {})
    status: Object = {
        "conditions": conditions,
        "startTime": old.get("startTime"),
        "active": len(found.active),
        "succeeded": found.successes,
        "failed": found.failures,
        "completedIndexes": format_indexes(found.completed),
    }
    kept = {k: v for k, v in status.items() if v}
    return {**kept, "terminating": found.terminating, "ready": found.ready, "uncountedTerminatedPods": {}}


def with_job_condition(
    conditions: Iterable[Object] | None, kind: str, end: tuple[str, str], now: float, *, yes: bool = True
) -> list[Object]:
    """Add a condition; `end` is its reason and message."""
    stamp = timestamp(now)
    new = {"type": kind, "status": "True" if yes else "False", "reason": end[0], "message": end[1]}
    return with_condition(conditions, {**new, "lastProbeTime": stamp, "lastTransitionTime": stamp})


def finished_at(job: Object) -> str:
    """When a finished Job finished; "" if it is not finished."""
    conditions = job.get("status", {}).get("conditions") or ()
    ends = [
        c["lastTransitionTime"] for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"
    ]
    return str(ends[0]) if ends else ""


def without_new_pods(job: Object, found: JobCounts) -> JobCounts:
    """The counts without pods that have newly finished, as they are in the status."""
    status = job.get("status", {})
    return JobCounts(
        found.active,
        terminating=found.terminating,
        ready=found.ready,
        successes=status.get("succeeded", 0),
        failures=status.get("failed", 0),
        completed=parse_indexes(status.get("completedIndexes", "")),
    )


def free_indexes(job: Object, found: JobCounts, count: int) -> list[int | None]:
    """The completion indexes of the next `count` pods; None for each pod of a Job without indexes."""
    if not is_indexed(job):
        return [None] * count
    taken = found.completed | {index_of(p) for p in found.active}
    free: list[int | None] = [i for i in range(job["spec"]["completions"]) if i not in taken]
    return free[:count]
