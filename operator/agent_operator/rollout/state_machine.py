"""Decides which revision the stable and the canary pods run. Pure: returns status.rollout for given RolloutInputs.

Only status.rollout stores the state of a rollout; everything else is observed again in each reconcile. So a rollout
survives a restart of the operator, if each decision is written to the status before it is carried out.
"""

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import CanaryStatus, RolledBack, RolloutStatus
from agent_operator.rollout.commands import apply_command
from agent_operator.rollout.rollout_inputs import CanaryPhase, RolloutInputs
from agent_operator.rollout.transitions import (
    MESSAGE_LIMIT,
    next_step,
    roll_back,
    start_step,
    step_seconds,
)

# The default of progressDeadlineSeconds of a Deployment.
DEFAULT_PROGRESS_SECONDS = 600
# Seconds between two analyses while a step lasts.
ANALYSIS_INTERVAL_SECONDS = 5.0
_NO_ROOM = "waits for room in the cluster: "


def decide(inputs: RolloutInputs, before: RolloutStatus) -> RolloutStatus:
    """Return the next status.rollout."""
    has_new_command = inputs.command != (before.command or "")
    status = apply_command(inputs, before) if has_new_command else before
    status = _roll_back_if_failed(inputs, _apply_target(inputs, status))
    # `inputs` describes the step that was running until now, not a step that starts with this decision. The new step
    # advances in a later reconcile.
    if status.paused or not _same_step(before, status):
        return status
    return _advance(inputs, status)


def requeue_after(inputs: RolloutInputs, status: RolloutStatus) -> float | None:
    """Return the seconds after which to reconcile, even without a change; None if only a change matters."""
    if status.canary is None or status.canary.phase not in (CanaryPhase.WATCHING, CanaryPhase.PAUSED):
        return None
    seconds = step_seconds(inputs, status.canary.step)
    if seconds is None:
        return ANALYSIS_INTERVAL_SECONDS
    return max(0.2, min(ANALYSIS_INTERVAL_SECONDS, seconds - inputs.elapsed))


def must_persist_first(before: RolloutStatus, after: RolloutStatus) -> bool:
    """Return whether a decision must be in the status before it is carried out.

    This is so if a restarted operator that lost the decision would decide differently.
    """
    if before.rolled_back != after.rolled_back:
        return True
    has_canary = before.canary is not None or after.canary is not None
    return has_canary and _position(before) != _position(after)


def _same_step(before: RolloutStatus, after: RolloutStatus) -> bool:
    if before.canary is None or after.canary is None:
        return False
    return (before.canary.revision, before.canary.step) == (after.canary.revision, after.canary.step)


def _position(status: RolloutStatus) -> tuple[object, ...]:
    canary = status.canary
    return (status.stable, canary and (canary.revision, canary.step, canary.phase), status.command)


def _apply_target(inputs: RolloutInputs, status: RolloutStatus) -> RolloutStatus:
    """Follow the target: keep or end a rollback, and keep, start or end a canary."""
    status = status.model_copy(update={"target": inputs.target})
    if status.rolled_back is not None and _rollback_applies(inputs, status.rolled_back):
        return _without_canary(status, stable=status.rolled_back.to)
    stable = _stable_revision(inputs, status)
    status = status.model_copy(update={"rolled_back": None, "stable": stable})
    has_canary = status.canary is not None and status.canary.revision == inputs.target
    if has_canary and _is_promoting(status):
        return status
    if stable == inputs.target or not _can_run_canary(inputs, stable, has_canary=has_canary):
        return _without_canary(status, stable=inputs.target)
    if has_canary:
        return status
    return status.model_copy(update={"canary": start_step(inputs, 0), "paused": None})


def _without_canary(status: RolloutStatus, *, stable: str) -> RolloutStatus:
    """Return the status with all pods on one revision."""
    return status.model_copy(update={"stable": stable, "canary": None, "paused": None})


def _rollback_applies(inputs: RolloutInputs, rolled_back: RolledBack) -> bool:
    """Return whether a rollback is still active."""
    if rolled_back.manual:
        # A user's rollback lasts until the spec changes. A new version from a channel does not end it.
        return rolled_back.asked == inputs.spec_hash
    return rolled_back.revision == inputs.target


def _stable_revision(inputs: RolloutInputs, status: RolloutStatus) -> str:
    """Return the revision of the stable pods, from the status or, if the status was lost, from the live Deployment."""
    for revision in (status.stable, inputs.running_revision):
        if revision and (revision == inputs.target or inputs.has_record(revision)):
            return revision
    # The record of the running revision was deleted, so leave the Deployment unchanged.
    return inputs.running_revision or inputs.target


def _can_run_canary(inputs: RolloutInputs, stable: str, *, has_canary: bool) -> bool:
    """Return whether the spec requests a canary and there is a good stable revision to compare it with."""
    requested = inputs.rollout.strategy == "Canary" and inputs.stable.wanted > 0
    return requested and inputs.last_good is not None and (has_canary or inputs.has_record(stable))


def _is_promoting(status: RolloutStatus) -> bool:
    return status.canary is not None and status.canary.phase == CanaryPhase.PROMOTING


def _roll_back_if_failed(inputs: RolloutInputs, status: RolloutStatus) -> RolloutStatus:
    """Roll back a canary or a target that fails, or pause the canary where autoRollback is off."""
    if status.rolled_back is not None:
        return status
    canary = None if _is_promoting(status) else status.canary
    failure = _canary_failure(inputs, status, canary) if canary else _target_failure(inputs, status)
    if failure is None:
        return status
    if inputs.rollout.auto_rollback is False:
        return _pause_failed_canary(inputs, status, failure) if canary else status
    to = status.stable if canary else inputs.last_good
    if to is None or to == inputs.target:
        return status
    # The running revision is a valid destination even if its record was deleted.
    if inputs.has_record(to) or to == inputs.running_revision:
        return roll_back(inputs, status, to, failure)
    return status


def _canary_failure(inputs: RolloutInputs, status: RolloutStatus, canary: CanaryStatus) -> Problem | None:
    if failure := inputs.failures.get(canary.revision):
        return failure
    if canary.phase == CanaryPhase.CHECKING and inputs.checks is not None and not inputs.checks.passed:
        return Problem(Reason.CHECKS_FAILED, "", inputs.checks.message)
    if canary.phase not in (CanaryPhase.WATCHING, CanaryPhase.PAUSED):
        return None
    if inputs.analysis is not None and inputs.analysis.failed:
        return Problem(Reason.GATE_FAILED, "", inputs.analysis.message)
    if status.paused or canary.phase == CanaryPhase.PAUSED:
        return None
    return _unavailable(inputs, canary)


def _unavailable(inputs: RolloutInputs, canary: CanaryStatus) -> Problem | None:
    """Return a problem if the pods of the step are not ready within progressDeadlineSeconds."""
    deadline = inputs.rollout.progress_deadline_seconds or DEFAULT_PROGRESS_SECONDS
    if inputs.canary_ready or inputs.elapsed < (step_seconds(inputs, canary.step) or 0) + deadline:
        return None
    available = f"{inputs.canary.available} of {inputs.canary.wanted} canary pods are available"
    return Problem(Reason.UNAVAILABLE, "", f"{available} {deadline} seconds after the end of the step")


def _target_failure(inputs: RolloutInputs, status: RolloutStatus) -> Problem | None:
    """Return why the rollout of the target to the stable pods fails.

    A revision that was good once is not rolled back when it fails later.
    """
    is_rolling_out = inputs.target == status.stable and inputs.target == inputs.running_revision
    if not is_rolling_out or inputs.stable.complete or inputs.target == inputs.last_good:
        return None
    return inputs.failures.get(inputs.target)


def _pause_failed_canary(inputs: RolloutInputs, status: RolloutStatus, failure: Problem) -> RolloutStatus:
    """Leave the decision about a failing canary to the user."""
    if status.canary is None or status.paused:
        return status
    message = f"{failure.reason}: {failure.message}"[:MESSAGE_LIMIT]
    paused = _in_phase(inputs, status, status.canary, CanaryPhase.PAUSED, message=message)
    return paused.model_copy(update={"paused": True})


def _advance(inputs: RolloutInputs, status: RolloutStatus) -> RolloutStatus:
    """Move the canary to its next phase, step or promotion if that is due."""
    canary = status.canary
    if canary is None:
        return status
    if canary.phase == CanaryPhase.PROMOTING:
        promoted = inputs.running_revision == inputs.target == status.stable and inputs.stable.complete
        # An autoscaler takes some time to replace the pods that the canary took over.
        is_enough = inputs.stable.available >= inputs.min_serving
        return status.model_copy(update={"canary": None}) if promoted and is_enough else status
    if canary.phase == CanaryPhase.WATCHING:
        return _end_step_if_due(inputs, status, canary)
    return _next_phase(inputs, status, canary)


def _next_phase(inputs: RolloutInputs, status: RolloutStatus, canary: CanaryStatus) -> RolloutStatus:
    """Move the canary to its next phase if its pods are ready, its checks passed, or the spec ends its pause."""
    phase, checks = canary.phase, canary.checks
    if phase == CanaryPhase.STARTING and inputs.canary_ready:
        phase = CanaryPhase.CHECKING if inputs.has_checks and not checks else CanaryPhase.WATCHING
    if phase == CanaryPhase.CHECKING and inputs.checks is not None and inputs.checks.passed:
        phase, checks = CanaryPhase.WATCHING, inputs.checks.message
    if phase == CanaryPhase.PAUSED and step_seconds(inputs, canary.step) is not None:
        phase = CanaryPhase.WATCHING
    if phase == canary.phase:
        return _with_lack_of_room(inputs, status, canary)
    return _in_phase(inputs, status, canary, phase, checks=checks)


def _with_lack_of_room(inputs: RolloutInputs, status: RolloutStatus, canary: CanaryStatus) -> RolloutStatus:
    """Show why canary pods cannot be created or scheduled. The canary waits until progressDeadlineSeconds."""
    lack = inputs.no_room.get(canary.revision)
    message = f"{_NO_ROOM}{lack}"[:MESSAGE_LIMIT] if lack else canary.message
    if not lack and (canary.message or "").startswith(_NO_ROOM):
        message = None
    if message == canary.message:
        return status
    return status.model_copy(update={"canary": canary.model_copy(update={"message": message})})


def _end_step_if_due(inputs: RolloutInputs, status: RolloutStatus, canary: CanaryStatus) -> RolloutStatus:
    """Start the next step after the duration of this step, or pause if the step has no duration."""
    seconds = step_seconds(inputs, canary.step)
    if seconds is None:
        return _in_phase(inputs, status, canary, CanaryPhase.PAUSED, message="waits for `agentctl promote`")
    if inputs.elapsed < seconds or inputs.analysis is None or not inputs.canary_ready:
        return status
    return next_step(inputs, status, message=f"step {canary.step + 1}: {inputs.analysis.message}")


def _in_phase(
    inputs: RolloutInputs, status: RolloutStatus, canary: CanaryStatus, phase: str, **fields: str | None
) -> RolloutStatus:
    changed = canary.model_copy(update={"phase": phase, "since": inputs.now, **fields})
    return status.model_copy(update={"canary": changed})
