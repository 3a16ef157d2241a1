"""What a person asks of a rollout: an annotation that is carried out once, and then taken away."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import RolloutStatus
from agent_operator.rollout.state import CanaryPhase, RolloutInputs, next_step, with_rollback

SEPARATOR = "="


class Command(StrEnum):
    """What the annotation agent-operator.dev/rollout may say."""

    PAUSE = "pause"
    """Stop the canary where it is."""
    RESUME = "resume"
    """Let a paused canary go on."""
    PROMOTE = "promote"
    """End this step of the canary now."""
    PROMOTE_FULL = "promote-full"
    """Skip all further steps."""
    ABORT = "abort"
    """Give the canary up."""
    RETRY = "retry"
    """Try a revision again that was given up."""
    ROLLBACK = "rollback"
    """Return to the last good revision, or with `rollback=REVISION` to that one."""
    UPGRADE = "upgrade"
    """Render the pods as this version of the operator does."""


def apply_command(seen: RolloutInputs, state: RolloutStatus) -> RolloutStatus:
    """Carry the command out, unless that was done; it stays in the annotation until the operator has removed it."""
    if seen.command == (state.command or ""):
        return state
    told = state.model_copy(update={"command": seen.command or None})
    if not seen.command or refusal(seen, state):
        return told
    word, _, revision = seen.command.partition(SEPARATOR)
    return _MOVES[Command(word)](seen, told, revision)


def refusal(seen: RolloutInputs, state: RolloutStatus) -> str:
    """Tell why a command cannot be carried out; empty when it can."""
    word, _, revision = seen.command.partition(SEPARATOR)
    if word not in set(Command):
        return f"{word!r} is no command: use one of {', '.join(Command)}"
    idle = (state.canary is None or state.canary.phase == CanaryPhase.PROMOTING) and "no canary is under way"
    early = not _can_promote(state) and "no canary waits: its pods must be ready and its checks passed first"
    kept = ", ".join(it.name for it in seen.records if it.name != state.stable) or "none"
    nowhere = _destination(seen, state, revision) is None
    faults = {
        Command.PAUSE: idle,
        Command.ABORT: idle,
        Command.RESUME: not state.paused and "nothing is paused",
        Command.PROMOTE: early,
        Command.PROMOTE_FULL: early,
        Command.RETRY: state.rolled_back is None and "no revision was given up",
        Command.ROLLBACK: nowhere and f"there is no such revision to return to: kept are {kept}",
    }
    fault = faults.get(Command(word))
    return f"{word}: {fault}" if fault else ""


def _can_promote(state: RolloutStatus) -> bool:
    return state.canary is not None and state.canary.phase in (CanaryPhase.WATCHING, CanaryPhase.PAUSED)


def _abort(seen: RolloutInputs, state: RolloutStatus, _revision: str) -> RolloutStatus:
    why = Problem(Reason.ABORTED, "", "the canary was aborted by hand")
    return with_rollback(seen, state, state.stable or seen.running_revision, why)


def _rolled_back(seen: RolloutInputs, state: RolloutStatus, revision: str) -> RolloutStatus:
    to = _destination(seen, state, revision)
    if to is None or (not revision and state.rolled_back and state.rolled_back.manual):
        # Asked again without saying where to, as by a tool that puts the annotation back, it must not go to and fro.
        return state
    if to == seen.target:
        # What the spec asks for anyway needs no pin.
        return state.model_copy(update={"rolled_back": None})
    why = Problem(Reason.ROLLED_BACK, "", "a person asked for this revision")
    return with_rollback(seen, state, to, why, manual=True)


def _destination(seen: RolloutInputs, state: RolloutStatus, revision: str) -> str | None:
    if revision:
        return revision if seen.keeps(revision) else None
    running = state.stable or seen.running_revision
    others = [it.name for it in seen.records if it.name != running]
    return seen.last_good if seen.last_good in others else next(iter(others), None)


_MOVES: Mapping[Command, Callable[[RolloutInputs, RolloutStatus, str], RolloutStatus]] = {
    Command.PAUSE: lambda _seen, state, _: state.model_copy(update={"paused": True}),
    Command.RESUME: lambda _seen, state, _: state.model_copy(update={"paused": None}),
    Command.PROMOTE: lambda seen, state, _: next_step(seen, state),
    Command.PROMOTE_FULL: lambda seen, state, _: next_step(seen, state, skip=True),
    Command.ABORT: _abort,
    Command.RETRY: lambda _seen, state, _: state.model_copy(update={"rolled_back": None}),
    Command.ROLLBACK: _rolled_back,
    # What it asks for is the target, and so part of what is seen.
    Command.UPGRADE: lambda _seen, state, _: state,
}
