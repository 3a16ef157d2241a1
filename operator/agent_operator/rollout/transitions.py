"""Transitions of status.rollout that a decision or a user's command can cause: next step, promotion, rollback."""

from agent_operator.api.problems import Problem
from agent_operator.api.v1alpha1.rollout import CanaryStatus, RolledBack, RolloutStatus
from agent_operator.rollout.rollout_inputs import DEFAULT_PAUSE_SECONDS, CanaryPhase, RolloutInputs

MESSAGE_LIMIT = 1024


def step_seconds(inputs: RolloutInputs, index: int) -> float | None:
    """Return how many seconds a step lasts; None if it lasts until a user promotes it."""
    # spec.rollout may have fewer steps than when this step began.
    step = inputs.steps[min(index, len(inputs.steps) - 1)]
    return DEFAULT_PAUSE_SECONDS if step.pause is None else step.pause.duration_seconds


def start_step(inputs: RolloutInputs, index: int) -> CanaryStatus:
    """Return the canary at the beginning of a step."""
    weight = inputs.steps[index].weight
    return CanaryStatus(revision=inputs.target, step=index, weight=weight, phase=CanaryPhase.STARTING, since=inputs.now)


def next_step(
    inputs: RolloutInputs, status: RolloutStatus, *, skip_steps: bool = False, message: str | None = None
) -> RolloutStatus:
    """Start the next step of the canary, or promote it after the last step.

    Args:
        inputs: what the decision depends on.
        status: status.rollout before the transition.
        skip_steps: promote now instead of starting the next step.
        message: result of the analysis of the finished step; the status shows it during the next step.
    """
    canary = status.canary
    if canary is None:
        return status
    if not skip_steps and canary.step + 1 < len(inputs.steps):
        started = start_step(inputs, canary.step + 1).model_copy(update={"checks": canary.checks, "message": message})
        return status.model_copy(update={"canary": started, "paused": None})
    promoted = canary.model_copy(update={"phase": CanaryPhase.PROMOTING, "since": inputs.now, "message": message})
    return status.model_copy(update={"canary": promoted, "stable": inputs.target, "paused": None})


def roll_back(
    inputs: RolloutInputs, status: RolloutStatus, to: str, cause: Problem, *, manual: bool = False
) -> RolloutStatus:
    """Run another revision than the target, and remove the canary. `manual`: a user requested the rollback."""
    record = RolledBack(
        revision=inputs.target,
        to=to,
        reason=cause.reason,
        message=cause.message[:MESSAGE_LIMIT],
        time=inputs.now,
        manual=manual or None,
        asked=inputs.spec_hash,
    )
    return status.model_copy(update={"rolled_back": record, "stable": to, "canary": None, "paused": None})
