"""Where a rollout stands, in the words of the conditions."""

from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import CanaryStatus, RolledBack, RolloutStatus


def given_up(rolled: RolledBack) -> str:
    """Tell which revision runs in place of the one that the spec asks for, why, and how to go on."""
    if rolled.manual:
        return f"revision {rolled.to} runs instead of {rolled.revision} until the spec changes, or `agentctl retry`"
    return (
        f"revision {rolled.revision} was given up for {rolled.to}: {rolled.reason}: {rolled.message}; correct the "
        "spec, or try again with `agentctl retry`"
    )


def canary(rollout: RolloutStatus, found: CanaryStatus) -> tuple[Reason, str]:
    """Tell how far a canary is, and whether it waits for a person."""
    message = f"step {found.step + 1}: {found.weight} % for revision {found.revision}: {found.phase}"
    if found.message:
        message += f": {found.message}"
    waits = rollout.paused or found.phase == "Paused"
    return (Reason.CANARY_PAUSED if waits else Reason.CANARY), message
