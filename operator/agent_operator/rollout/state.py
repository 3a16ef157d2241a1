"""Where a rollout stands, what there is to see of it, and the moves that a decision or a person can make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import CanaryStatus, CanaryStep, RolledBack, Rollout, RolloutStatus
from agent_operator.rollout.analysis.thresholds import Verdict
from agent_operator.rollout.checks_job import Outcome
from agent_operator.rollout.revisions import Stored
from agent_operator.status.observed import Pods

DEFAULT_STEPS = (CanaryStep(weight=20),)
DEFAULT_PAUSE_SECONDS = 60
_MESSAGE_LIMIT = 1024


class Phase(StrEnum):
    """How far a step of a canary is."""

    STARTING = "Starting"
    CHECKING = "Checking"
    WATCHING = "Watching"
    PAUSED = "Paused"
    PROMOTING = "Promoting"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a revision is no good."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to decide on.

    Attributes:
        target: revision that the spec asks for.
        inputs: hash of what the pods are made from: what the spec asks for, and the version that a channel has given.
        asked: hash of what the spec asks for alone.
        now: RFC 3339 in UTC.
        rollout: how the spec wants it done.
        known: the revisions that the cluster keeps, the latest first.
        last_good: the last one that was wholly ready.
        running: revision that the live Deployment is given; empty when there is none.
        stable: counts of that Deployment.
        canary: counts of the canary's.
        troubles: what is wrong with the pods of a revision, by revision.
        checks: outcome of the checks; None while they run, or when there are none.
        has_checks: whether there are any.
        verdict: what the gates say of this step; None when they have not been looked at.
        elapsed: seconds that this step has been watched.
        command: what the annotation says.
    """

    target: str
    inputs: str
    asked: str
    now: str
    rollout: Rollout = field(default_factory=Rollout)
    known: tuple[Stored, ...] = ()
    last_good: str | None = None
    running: str = ""
    stable: Pods = field(default_factory=Pods)
    canary: Pods = field(default_factory=Pods)
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    checks: Outcome | None = None
    has_checks: bool = False
    verdict: Verdict | None = None
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
        return any(it.name == revision for it in self.known)


def duration(seen: Seen, index: int) -> float | None:
    """Return how many seconds a step lasts; None: until somebody promotes it."""
    step = seen.steps[min(index, len(seen.steps) - 1)]
    return DEFAULT_PAUSE_SECONDS if step.pause is None else step.pause.duration_seconds


def returned(seen: Seen, state: RolloutStatus, to: str, why: Trouble, *, manual: bool = False) -> RolloutStatus:
    """Return to a revision."""
    record = RolledBack(
        revision=seen.target,
        to=to,
        reason=why.reason,
        message=why.message[:_MESSAGE_LIMIT],
        time=seen.now,
        manual=manual or None,
        asked=seen.asked,
    )
    return state.model_copy(update={"rolled_back": record, "stable": to, "canary": None, "paused": None})


def following(seen: Seen, state: RolloutStatus, *, skip: bool = False, said: str | None = None) -> RolloutStatus:
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
        further = begun(seen, canary.step + 1).model_copy(update={"checks": canary.checks, "message": said})
        return state.model_copy(update={"canary": further, "paused": None})
    promoted = canary.model_copy(update={"phase": Phase.PROMOTING, "since": seen.now, "message": said})
    return state.model_copy(update={"canary": promoted, "stable": seen.target, "paused": None})


def begun(seen: Seen, index: int) -> CanaryStatus:
    """Begin a step of the canary."""
    weight = seen.steps[index].weight
    return CanaryStatus(revision=seen.target, step=index, weight=weight, phase=Phase.STARTING, since=seen.now)
