"""Rollout commands of users: values of an annotation that the operator carries out once and then removes."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from agent_operator.api import bounds
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import RolloutStatus
from agent_operator.rollout.rollout_inputs import CanaryPhase, RolloutInputs
from agent_operator.rollout.transitions import next_step, roll_back

SEPARATOR = "="
# How far the clock of a user may be ahead of the operator's.
_MAX_AHEAD = timedelta(minutes=5)
# RFC 3339, also without an offset. datetime.fromisoformat accepts more of ISO 8601, such as 20260131 and 2026-W05-6.
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_RESTART_TIME = "use restart=TIME with the current time, such as restart=2026-01-31T12:00:00Z"


class Command(StrEnum):
    """Values of the annotation agent-operator.dev/rollout."""

    PAUSE = "pause"
    """Pause the canary at its current step."""
    RESUME = "resume"
    """Resume a paused canary."""
    PROMOTE = "promote"
    """End the current step of the canary now."""
    PROMOTE_FULL = "promote-full"
    """Skip the remaining steps and promote the canary."""
    ABORT = "abort"
    """Remove the canary and keep the stable revision."""
    RETRY = "retry"
    """Roll out again the revision that was rolled back."""
    ROLLBACK = "rollback"
    """Roll back to the last good revision, or to REVISION with `rollback=REVISION`."""
    RESTART = "restart"
    """Replace all pods, once for each TIME in `restart=TIME`."""
    UPGRADE = "upgrade"
    """Render the pods as this version of the operator does."""


def apply_command(inputs: RolloutInputs, status: RolloutStatus) -> RolloutStatus:
    """Carry out the command in the annotation, and record it in status.rollout.command.

    Several reconciles may see the same annotation before the operator has removed it. The record keeps the command from
    being repeated.
    """
    recorded = status.model_copy(update={"command": inputs.command or None})
    if not inputs.command or refusal(inputs, status):
        return recorded
    name, _, revision = inputs.command.partition(SEPARATOR)
    return _TRANSITIONS[Command(name)](inputs, recorded, revision)


def refusal(inputs: RolloutInputs, status: RolloutStatus) -> str:
    """Return why the command in the annotation cannot be carried out; empty if it can be."""
    name, _, revision = inputs.command.partition(SEPARATOR)
    if name not in set(Command):
        return f"unknown rollout command {name!r}: use one of {', '.join(Command)}"
    cause = ""
    match Command(name):
        case Command.PAUSE | Command.ABORT if not _runs_canary(status):
            cause = "no canary is running"
        case Command.RESUME if not status.paused:
            cause = "the rollout is not paused"
        case Command.PROMOTE | Command.PROMOTE_FULL if not _can_promote(status):
            cause = "no canary can be promoted: wait until its pods are ready and its checks have passed"
        case Command.RETRY if status.rolled_back is None:
            cause = "no revision was rolled back"
        case Command.RESTART:
            cause = _restart_refusal(inputs, status, revision)
        case Command.ROLLBACK if _rollback_revision(inputs, status, revision) is None:
            cause = _unknown_revision(inputs, status, revision)
    return f"{name}: {cause}" if cause else ""


def _unknown_revision(inputs: RolloutInputs, status: RolloutStatus, revision: str) -> str:
    if not revision:
        return "there is no other revision to roll back to"
    kept = ", ".join(record.name for record in inputs.records if record.name != status.stable) or "none"
    return f"there is no revision {revision}: the kept revisions are {kept}"


def _restart_refusal(inputs: RolloutInputs, status: RolloutStatus, text: str) -> str:
    """Return why the pods are not restarted; empty if they are.

    The time makes the command idempotent: a tool that restores the annotation again and again restarts the pods once.
    """
    time, last, now = _time(text), _time(status.restarted_at or ""), _time(inputs.now)
    if time is None:
        return f"{text!r} is no time: {_RESTART_TIME}" if text else _RESTART_TIME
    if now is not None and time > now + _MAX_AHEAD:
        return f"{text} is in the future: {_RESTART_TIME}"
    if last is not None and time <= last:
        return f"the pods were already restarted at {status.restarted_at}: {_RESTART_TIME}"
    return ""


def _time(text: str) -> datetime | None:
    """Parse a time of RFC 3339; without an offset, it is in UTC. None if it is malformed."""
    try:
        time = datetime.fromisoformat(text) if len(text) <= bounds.TIME and _TIME.fullmatch(text) else None
    except ValueError:
        return None
    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)


def _runs_canary(status: RolloutStatus) -> bool:
    return status.canary is not None and status.canary.phase != CanaryPhase.PROMOTING


def _can_promote(status: RolloutStatus) -> bool:
    return status.canary is not None and status.canary.phase in (CanaryPhase.WATCHING, CanaryPhase.PAUSED)


def _rollback_revision(inputs: RolloutInputs, status: RolloutStatus, revision: str) -> str | None:
    """Return the revision to roll back to; None when the cluster does not keep it."""
    if revision:
        return revision if inputs.has_record(revision) else None
    running = status.stable or inputs.running_revision
    others = [record.name for record in inputs.records if record.name != running]
    return inputs.last_good if inputs.last_good in others else next(iter(others), None)


def _abort(inputs: RolloutInputs, status: RolloutStatus, _revision: str) -> RolloutStatus:
    cause = Problem(Reason.ABORTED, "", "a user aborted the canary")
    return roll_back(inputs, status, status.stable or inputs.running_revision, cause)


def _rollback(inputs: RolloutInputs, status: RolloutStatus, revision: str) -> RolloutStatus:
    to = _rollback_revision(inputs, status, revision)
    rolled_back_before = status.rolled_back is not None and bool(status.rolled_back.manual)
    if to is None or (not revision and rolled_back_before):
        # A tool may restore the annotation after the operator removed it. Without this condition, each repetition
        # of a plain `rollback` would switch between two revisions.
        return status
    if to == inputs.target:
        # The spec requests this revision, so there is no rollback to record.
        return status.model_copy(update={"rolled_back": None})
    cause = Problem(Reason.ROLLED_BACK, "", "a user requested this revision")
    return roll_back(inputs, status, to, cause, manual=True)


_TRANSITIONS: Mapping[Command, Callable[[RolloutInputs, RolloutStatus, str], RolloutStatus]] = {
    Command.PAUSE: lambda _inputs, status, _: status.model_copy(update={"paused": True}),
    Command.RESUME: lambda _inputs, status, _: status.model_copy(update={"paused": None}),
    Command.PROMOTE: lambda inputs, status, _: next_step(inputs, status),
    Command.PROMOTE_FULL: lambda inputs, status, _: next_step(inputs, status, skip_steps=True),
    Command.ABORT: _abort,
    Command.RETRY: lambda _inputs, status, _: status.model_copy(update={"rolled_back": None}),
    Command.ROLLBACK: _rollback,
    Command.RESTART: lambda _inputs, status, time: status.model_copy(update={"restarted_at": time}),
    # The planner reads this command and sets RolloutInputs.target.
    Command.UPGRADE: lambda _inputs, status, _: status,
}
