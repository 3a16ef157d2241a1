"""Where a rollout stands, what there is to see of it, and the moves that a decision or a person can make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent_operator.api.problems import Problem
from agent_operator.api.v1alpha1.rollout import CanaryStatus, CanaryStep, RolledBack, Rollout, RolloutStatus
from agent_operator.rollout.analysis.thresholds import AnalysisResult
from agent_operator.rollout.checks_job import ChecksResult
from agent_operator.rollout.revisions import RevisionRecord
from agent_operator.status.observed import Pods

DEFAULT_STEPS = (CanaryStep(weight=20),)
DEFAULT_PAUSE_SECONDS = 60
_MESSAGE_LIMIT = 1024


class CanaryPhase(StrEnum):
    """How far a step of a canary is."""

    STARTING = "Starting"
    CHECKING = "Checking"
    WATCHING = "Watching"
    PAUSED = "Paused"
    PROMOTING = "Promoting"


@dataclass(frozen=True, slots=True)
class RolloutInputs:
    """What there is to decide on.

    Attributes:
        target: revision that the spec asks for.
        inputs_hash: hash of what the pods are made from: the spec and the version that a channel assigned.
        spec_hash: hash of what the spec asks for alone.
        now: RFC 3339 in UTC.
        rollout: how the spec wants it done.
        records: the revisions that the cluster keeps, the latest first.
        last_good: the last one that was wholly ready.
        running_revision: revision that the live Deployment is given; empty when there is none.
        stable: counts of that Deployment.
        canary: counts of the canary's.
        failures: what is wrong with the pods of a revision, by revision.
        checks: outcome of the checks; None while they run, or when there are none.
        has_checks: whether there are any.
        analysis: what the gates say of this step; None when they have not been looked at.
        elapsed: seconds that this step has been watched.
        command: what the annotation says.
    """

    target: str
    inputs_hash: str
    spec_hash: str
    now: str
    rollout: Rollout = field(default_factory=Rollout)
    records: tuple[RevisionRecord, ...] = ()
    last_good: str | None = None
    running_revision: str = ""
    stable: Pods = field(default_factory=Pods)
    canary: Pods = field(default_factory=Pods)
    failures: Mapping[str, Problem] = field(default_factory=dict)
    checks: ChecksResult | None = None
    has_checks: bool = False
    analysis: AnalysisResult | None = None
    elapsed: float = 0.0
    command: str = ""

    @property
    def steps(self) -> tuple[CanaryStep, ...]:
        """The steps of a canary."""
        return (self.rollout.canary and self.rollout.canary.steps) or DEFAULT_STEPS

    @property
    def has_canary_pods(self) -> bool:
        """Whether all pods that the canary's step wants are ready."""
        return self.canary.complete and self.canary.wanted > 0

    def keeps(self, revision: str | None) -> bool:
        """Tell whether one can return to a revision."""
        return any(it.name == revision for it in self.records)


def step_seconds(seen: RolloutInputs, index: int) -> float | None:
    """Return how many seconds a step lasts; None: until somebody promotes it."""
    step = seen.steps[min(index, len(seen.steps) - 1)]
    return DEFAULT_PAUSE_SECONDS if step.pause is None else step.pause.duration_seconds


def with_rollback(
    seen: RolloutInputs, state: RolloutStatus, to: str, why: Problem, *, manual: bool = False
) -> RolloutStatus:
    """Return to a revision."""
    record = RolledBack(
        revision=seen.target,
        to=to,
        reason=why.reason,
        message=why.message[:_MESSAGE_LIMIT],
        time=seen.now,
        manual=manual or None,
        asked=seen.spec_hash,
    )
    return state.model_copy(update={"rolled_back": record, "stable": to, "canary": None, "paused": None})


def next_step(
    seen: RolloutInputs, state: RolloutStatus, *, skip: bool = False, said: str | None = None
) -> RolloutStatus:
    """Go to the next step, or promote after the last, or at once when the others are skipped.

    Args:
        seen: what there is to decide on.
        state: where the rollout stands.
        skip: whether further steps are left out.
        said: what the gates have shown of this step; it stays to be read in the next.
    """
    canary = state.canary
    if canary is None:
        return state
    if not skip and canary.step + 1 < len(seen.steps):
        further = start_step(seen, canary.step + 1).model_copy(update={"checks": canary.checks, "message": said})
        return state.model_copy(update={"canary": further, "paused": None})
    promoted = canary.model_copy(update={"phase": CanaryPhase.PROMOTING, "since": seen.now, "message": said})
    return state.model_copy(update={"canary": promoted, "stable": seen.target, "paused": None})


def start_step(seen: RolloutInputs, index: int) -> CanaryStatus:
    """Begin a step of the canary."""
    weight = seen.steps[index].weight
    return CanaryStatus(revision=seen.target, step=index, weight=weight, phase=CanaryPhase.STARTING, since=seen.now)
