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
