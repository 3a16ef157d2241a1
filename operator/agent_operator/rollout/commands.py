"""Rollout commands of users: values of an annotation that the operator carries out once and then removes."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import RolloutStatus
from agent_operator.rollout.rollout_inputs import CanaryPhase, RolloutInputs
from agent_operator.rollout.transitions import next_step, roll_back

SEPARATOR = "="
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
# The clock of the user may be ahead of that of the operator.
_CLOCK_SKEW = timedelta(minutes=5)


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
    UPGRADE = "upgrade"
    """Render the pods as this version of the operator does."""
    RESTART = "restart"
    """Replace all pods, with `restart=TIME`. The time is that of the request, so that a repetition changes nothing."""


def apply_command(inputs: RolloutInputs, status: RolloutStatus) -> RolloutStatus:
    """Carry out the command in the annotation, and record it in status.rollout.command.

    Several reconciles may see the same annotation before the operator has removed it. The record keeps the command from
    being repeated.
    """
    recorded = status.model_copy(update={"command": inputs.command or None})
    if not inputs.command or refusal(inputs, status):
        return recorded
    name, _, argument = inputs.command.partition(SEPARATOR)
    return _TRANSITIONS[Command(name)](inputs, recorded, argument)


def refusal(inputs: RolloutInputs, status: RolloutStatus) -> str:
    """Return why the command in the annotation cannot be carried out; empty if it can be."""
    name, _, argument = inputs.command.partition(SEPARATOR)
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
        case Command.ROLLBACK if _rollback_revision(inputs, status, argument) is None:
            cause = _unknown_revision(inputs, status, argument)
        case Command.RESTART:
            cause = _unusable_time(argument, inputs.now)
    return f"{name}: {cause}" if cause else ""


def _unknown_revision(inputs: RolloutInputs, status: RolloutStatus, revision: str) -> str:
    if not revision:
        return "there is no other revision to roll back to"
    kept = ", ".join(record.name for record in inputs.records if record.name != status.stable) or "none"
    return f"there is no revision {revision}: the kept revisions are {kept}"


def _unusable_time(text: str, now: str) -> str:
    """Return why a text is not the time of a restart. A time in the future would block every restart until then."""
    example = f"use restart={now[:19]}Z"
    time = _parse_time(text)
    if time is None:
        return f"{text!r} is not a time in RFC 3339 and UTC: {example}"
    if time > datetime.fromisoformat(now) + _CLOCK_SKEW:
        return f"{text} is in the future: {example}"
    return ""


def _parse_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        return None


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


def _restart(_inputs: RolloutInputs, status: RolloutStatus, time: str) -> RolloutStatus:
    # All times have the same format, so their texts have the order of the times.
    is_new = time > (status.restarted_at or "")
    return status.model_copy(update={"restarted_at": time}) if is_new else status


_TRANSITIONS: Mapping[Command, Callable[[RolloutInputs, RolloutStatus, str], RolloutStatus]] = {
    Command.PAUSE: lambda _inputs, status, _: status.model_copy(update={"paused": True}),
    Command.RESUME: lambda _inputs, status, _: status.model_copy(update={"paused": None}),
    Command.PROMOTE: lambda inputs, status, _: next_step(inputs, status),
    Command.PROMOTE_FULL: lambda inputs, status, _: next_step(inputs, status, skip_steps=True),
    Command.ABORT: _abort,
    Command.RETRY: lambda _inputs, status, _: status.model_copy(update={"rolled_back": None}),
    Command.ROLLBACK: _rollback,
    # The planner reads this command and sets RolloutInputs.target.
    Command.UPGRADE: lambda _inputs, status, _: status,
    Command.RESTART: _restart,
}
