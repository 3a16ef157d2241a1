"""The status of a Job: what its pods have come to, and whether that is the end. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from localkube.controllers.job_pods import (
    ended_at,
    has_failed,
    has_succeeded,
    index_of,
    indexes,
    is_indexed,
    is_tracked,
    judged,
    restarts,
    shown_indexes,
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
class End:
    """How a Job ends: the condition that says so first, and the one that says so when its pods are gone."""

    target: str  # SuccessCriteriaMet or FailureTarget
    reason: str
    message: str

    @property
    def final(self) -> str:
        """The type of the last condition."""
        return "Complete" if self.target == "SuccessCriteriaMet" else "Failed"


REACHED = End("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")
EXCEEDED = End("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
LATE = End("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")


@dataclass(slots=True)
class Backoff:
    """The failures of a Job since its last success."""

    failures: int = 0
    last: float = 0.0  # Unix seconds

    def observe(self, pods: Iterable[Object], now: float) -> None:
        """Take note of pods that have ended."""
        for ended, pod in sorted(((ended_at(p, now), p) for p in pods), key=lambda found: found[0]):
            self.failures = 0 if has_succeeded(pod) else self.failures + 1
            self.last = ended

    def wait(self, now: float, scale: float) -> float:
        """Seconds until the next pod may be made."""
        if not self.failures:
            return 0.0
        delay = min(FIRST_BACKOFF * 2 ** min(self.failures - 1, 16), LAST_BACKOFF) * scale
        return float(max(self.last + delay - now, 0.0))


@dataclass(slots=True)
class Tally:
    """The pods of a Job, and its counts with what has newly ended."""

    active: list[Object] = field(default_factory=list)
    succeeded: list[Object] = field(default_factory=list)  # newly: not in the status yet
    failed: list[Object] = field(default_factory=list)
    terminating: int = 0
    ready: int = 0
    successes: int = 0
    failures: int = 0
    completed: set[int] = field(default_factory=set)  # indexes
    verdict: str = ""  # why a podFailurePolicy ends the Job

    @property
    def ended(self) -> list[Object]:
        """The pods that have newly ended."""
        return [*self.succeeded, *self.failed]


def tally(job: Object, pods: list[Object]) -> Tally:
    """Count the pods of a Job."""
    status = job.get("status", {})
    found = Tally(
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
        found.completed = indexes(status.get("completedIndexes", "")) | new
        found.successes = len(found.completed)
    else:
        found.successes += len(found.succeeded)
    for pod in found.failed:
        counts, why = judged(job, pod)
        found.failures += counts
        found.verdict = found.verdict or why
    return found


def failure(job: Object, found: Tally, now: float) -> End | None:
    """Why the Job fails now, or was found to fail before."""
    told = find_condition(job.get("status", {}).get("conditions"), "FailureTarget")
    if told is not None and told["status"] == "True":
        return End("FailureTarget", told["reason"], told["message"])
    if found.verdict:
        return End("FailureTarget", "PodFailurePolicy", found.verdict)
    limit = job["spec"].get("backoffLimit", 6)
    if found.failures > limit or _restarted_too_often(job, found.active, limit):
        return EXCEEDED
    return LATE if seconds_left(job, now) == 0 else None


def _restarted_too_often(job: Object, active: list[Object], limit: int) -> bool:
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    return restarts(active) >= max(limit, 1)


def seconds_left(job: Object, now: float) -> float | None:
    """Seconds until the Job is late; None when it cannot be."""
    deadline = job["spec"].get("activeDeadlineSeconds")
    started = job.get("status", {}).get("startTime")
    if deadline is None or started is None or is_suspended(job):
        return None
    return max(unix_seconds(started) + float(deadline) - now, 0.0)


def is_suspended(job: Object) -> bool:
    """Whether the Job is to have no pods for now."""
    return bool(job["spec"].get("suspend"))


def is_complete(job: Object, found: Tally) -> bool:
    """Whether enough pods have succeeded."""
    completions = job["spec"].get("completions")
    if completions is None:
        return found.successes > 0 and not found.active
    return found.successes >= int(completions)


def is_over(job: Object) -> bool:
    """Whether the Job has ended for good."""
    conditions = job.get("status", {}).get("conditions")
    return is_true(conditions, "Complete") or is_true(conditions, "Failed")


def wanted(job: Object, found: Tally) -> int:
    """How many pods are to be active."""
    parallelism = int(job["spec"].get("parallelism", 1))
    completions = job["spec"].get("completions")
    if completions is None:
        return len(found.active) if found.successes else parallelism
    return max(min(parallelism, int(completions) - found.successes), 0)


def status_of(job: Object, found: Tally, conditions: list[Object]) -> Object:
    """The status of a Job with these counts, as it is stored: counts of nothing left out where the server does."""
    old = job.get("status", {})
    status: Object = {
        "conditions": conditions,
        "startTime": old.get("startTime"),
        "active": len(found.active),
        "succeeded": found.successes,
        "failed": found.failures,
        "completedIndexes": shown_indexes(found.completed),
    }
    kept = {k: v for k, v in status.items() if v}
    return {**kept, "terminating": found.terminating, "ready": found.ready, "uncountedTerminatedPods": {}}


def told(
    conditions: Iterable[Object] | None, kind: str, end: tuple[str, str], now: float, *, yes: bool = True
) -> list[Object]:
    """The conditions with one more; `end` is its reason and message."""
    stamp = timestamp(now)
    new = {"type": kind, "status": "True" if yes else "False", "reason": end[0], "message": end[1]}
    return with_condition(conditions, {**new, "lastProbeTime": stamp, "lastTransitionTime": stamp})


def finished_at(job: Object) -> str:
    """When a Job that is over ended, "" when it goes on."""
    conditions = job.get("status", {}).get("conditions") or ()
    ends = [
        c["lastTransitionTime"] for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"
    ]
    return str(ends[0]) if ends else ""


def before(job: Object, found: Tally) -> Tally:
    """The tally without what has newly ended: with the counts that the status has."""
    status = job.get("status", {})
    return Tally(
        found.active,
        terminating=found.terminating,
        ready=found.ready,
        successes=status.get("succeeded", 0),
        failures=status.get("failed", 0),
        completed=indexes(status.get("completedIndexes", "")),
    )


def places(job: Object, found: Tally, count: int) -> list[int | None]:
    """The indexes of the pods to make; None for a pod of a Job that has no indexes."""
    if not is_indexed(job):
        return [None] * count
    taken = found.completed | {index_of(p) for p in found.active}
    free: list[int | None] = [i for i in range(job["spec"]["completions"]) if i not in taken]
    return free[:count]
