"""Messages of conditions about rollouts."""

from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import CanaryStatus, RolledBack, RolloutStatus


def rolled_back(record: RolledBack) -> str:
    """Return the message of a rollback: which revision runs instead of the requested one, why, and what to do."""
    if record.manual:
        return f"revision {record.to} runs instead of {record.revision} until the spec changes, or `agentctl retry`"
    return (
        f"rolled back from revision {record.revision} to {record.to}: {record.reason}: {record.message}; correct the "
        "spec, or try again with `agentctl retry`"
    )


def canary(rollout: RolloutStatus, step: CanaryStatus) -> tuple[Reason, str]:
    """Return the reason and the message for a canary in progress."""
    message = f"step {step.step + 1}: {step.weight} % for revision {step.revision}: {step.phase}"
    if step.message:
        message += f": {step.message}"
    is_paused = rollout.paused or step.phase == "Paused"
    return (Reason.CANARY_PAUSED if is_paused else Reason.CANARY), message


def transition(before: RolloutStatus, after: RolloutStatus) -> str:
    """Return the log message for a change of status.rollout; empty if no step, rollback or revision changed."""
    if after.rolled_back != before.rolled_back:
        return rolled_back(after.rolled_back) if after.rolled_back else f"rollout of revision {after.target}"
    if after.canary is not None and _step(after.canary) != _step(before.canary):
        return f"canary: {canary(after, after.canary)[1]}"
    if after.stable != before.stable:
        return f"revision {after.stable} is the stable revision"
    return f"rollout of revision {after.target}" if after.target != before.target else ""


def _step(step: CanaryStatus | None) -> tuple[str, int, str] | None:
    return (step.revision, step.step, step.phase) if step is not None else None
