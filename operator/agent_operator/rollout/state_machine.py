"""Which revision the pods should run. Pure: what is seen and where the rollout stood in, where it stands out.

Nothing else remembers anything: where a rollout stands is status.rollout, and the rest is seen anew in each pass.
So it goes on after a restart, and a decision that must not be forgotten is written before it is acted on.
"""

from itertools import chain

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import CanaryStatus, RolledBack, RolloutStatus
from agent_operator.rollout.commands import apply_command
from agent_operator.rollout.state import CanaryPhase, RolloutInputs, next_step, start_step, step_seconds, with_rollback

# As Kubernetes has it for a Deployment.
DEFAULT_PROGRESS_SECONDS = 600
# Seconds between looks at the metrics while a step lasts.
LOOK_SECONDS = 5.0


def decide(seen: RolloutInputs, before: RolloutStatus) -> RolloutStatus:
    """Decide which revision runs where."""
    is_new = seen.command != (before.command or "")
    state = _aim(seen, apply_command(seen, before) if is_new else before)
    state = _give_up(seen, state)
    # What was seen of the canary is of the step before, when a command or a new target has just begun another.
    return _advance(seen, state) if _same_step(before, state) and not state.paused else state


def requeue_after(seen: RolloutInputs, state: RolloutStatus) -> float | None:
    """Return in how many seconds to look again though nothing happens; None: not at all."""
    if state.canary is None or state.canary.phase not in (CanaryPhase.WATCHING, CanaryPhase.PAUSED):
        return None
    lasts = step_seconds(seen, state.canary.step)
    return LOOK_SECONDS if lasts is None else max(0.2, min(LOOK_SECONDS, lasts - seen.elapsed))


def must_persist_first(before: RolloutStatus, after: RolloutStatus) -> bool:
    """Tell whether a decision must be on record before it is acted on: forgotten, it would be taken otherwise."""
    return before.rolled_back != after.rolled_back or (
        (before.canary or after.canary) is not None and _point(before) != _point(after)
    )


def _same_step(before: RolloutStatus, after: RolloutStatus) -> bool:
    old, new = before.canary, after.canary
    return bool(old and new) and (old and (old.revision, old.step)) == (new and (new.revision, new.step))


def _point(state: RolloutStatus) -> tuple[object, ...]:
    canary = state.canary
    return (state.stable, canary and (canary.revision, canary.step, canary.phase), state.command)


def _aim(seen: RolloutInputs, state: RolloutStatus) -> RolloutStatus:
    """Take in what the spec asks for now."""
    state = state.model_copy(update={"target": seen.target})
    rolled = state.rolled_back
    if rolled is not None and not _in_force(rolled, seen):
        rolled = None
    if rolled is not None:
        return state.model_copy(update={"stable": rolled.to, "canary": None, "paused": None})
    # Who lost the status, or decided on a revision and was killed before it was stored, goes on from what runs.
    # What runs is held as it is even if somebody has deleted its record.
    known = (it for it in (state.stable, seen.running_revision) if it == seen.target or seen.keeps(it))
    there = chain(known, filter(None, [seen.running_revision]))
    stable = next(there, None) or seen.target
    state = state.model_copy(update={"rolled_back": None, "stable": stable})
    if _promoting(state) and state.canary and state.canary.revision == seen.target:
        return state
    begun_already = state.canary is not None and state.canary.revision == seen.target
    if stable == seen.target or not _can_canary(seen, stable, begun_already=begun_already):
        return state.model_copy(update={"stable": seen.target, "canary": None, "paused": None})
    if state.canary is None or state.canary.revision != seen.target:
        return state.model_copy(update={"canary": start_step(seen, 0), "paused": None})
    return state


def _in_force(rolled: RolledBack, seen: RolloutInputs) -> bool:
    if rolled.manual:
        # A person's choice outlives a new version of the runtime, but not a new wish of the user.
        return rolled.asked == seen.spec_hash
    return rolled.revision == seen.target


def _can_canary(seen: RolloutInputs, stable: str, *, begun_already: bool) -> bool:
    """Tell whether there is something good to compare a canary with, and to return to."""
    wanted = seen.rollout.strategy == "Canary" and seen.stable.wanted > 0
    return wanted and seen.last_good is not None and (begun_already or seen.keeps(stable))


def _promoting(state: RolloutStatus) -> bool:
    return state.canary is not None and state.canary.phase == CanaryPhase.PROMOTING


def _give_up(seen: RolloutInputs, state: RolloutStatus) -> RolloutStatus:
    """Return to what was good, when what is wanted is not."""
    if state.rolled_back is not None:
        return state
    canary = state.canary if state.canary and not _promoting(state) else None
    trouble = _canary_trouble(seen, canary, paused=bool(state.paused)) if canary else _stable_trouble(seen, state)
    if trouble is None:
        return state
    to = state.stable if canary else seen.last_good
    if seen.rollout.auto_rollback is False:
        return _held(seen, state, trouble) if canary else state
    # What runs stays where it is, even if its record is gone.
    if to is None or to == seen.target or not (seen.keeps(to) or to == seen.running_revision):
        return state
    return with_rollback(seen, state, to, trouble)


def _canary_trouble(seen: RolloutInputs, canary: CanaryStatus, *, paused: bool) -> Problem | None:
    if trouble := seen.failures.get(canary.revision):
        return trouble
    if canary.phase == CanaryPhase.CHECKING and seen.checks is not None and not seen.checks.passed:
        return Problem(Reason.CHECKS_FAILED, "", seen.checks.message)
    if canary.phase not in (CanaryPhase.WATCHING, CanaryPhase.PAUSED):
        return None
    if seen.analysis is not None and seen.analysis.failed:
        return Problem(Reason.GATE_FAILED, "", seen.analysis.message)
    return None if paused or canary.phase == CanaryPhase.PAUSED else _never_ready(seen, canary)


def _never_ready(seen: RolloutInputs, canary: CanaryStatus) -> Problem | None:
    """Tell of a step that should have ended long ago: it would have, had its pods been ready at any look since."""
    patience = seen.rollout.progress_deadline_seconds or DEFAULT_PROGRESS_SECONDS
    if seen.has_canary_pods or seen.elapsed < (step_seconds(seen, canary.step) or 0) + patience:
        return None
    ready = f"{seen.canary.available} of {seen.canary.wanted} pods of the canary are available"
    return Problem(Reason.UNAVAILABLE, "", f"{ready} {patience} seconds after the end of its step")


def _stable_trouble(seen: RolloutInputs, state: RolloutStatus) -> Problem | None:
    """Tell what is wrong with a rollout of the target; what was good once is not given up for what befalls it later."""
    if state.stable != seen.target or seen.running_revision != seen.target or seen.last_good == seen.target:
        return None
    return None if seen.stable.complete else seen.failures.get(seen.target)


def _held(seen: RolloutInputs, state: RolloutStatus, trouble: Problem) -> RolloutStatus:
    """Stop a failing canary where it is, for a person to decide."""
    if state.canary is None or state.paused:
        return state
    message = f"{trouble.reason}: {trouble.message}"[:1024]
    canary = state.canary.model_copy(update={"phase": CanaryPhase.PAUSED, "message": message, "since": seen.now})
    return state.model_copy(update={"canary": canary, "paused": True})


def _advance(seen: RolloutInputs, state: RolloutStatus) -> RolloutStatus:
    canary = state.canary
    if canary is None:
        return state
    phase = canary.phase
    if phase == CanaryPhase.PROMOTING:
        done = seen.running_revision == seen.target == state.stable and seen.stable.complete
        return state.model_copy(update={"canary": None}) if done else state
    # A canary that was scaled for an earlier step, or of another revision, is not ready for this one.
    if phase == CanaryPhase.STARTING and seen.has_canary_pods:
        phase = CanaryPhase.CHECKING if seen.has_checks and not canary.checks else CanaryPhase.WATCHING
    if phase == CanaryPhase.CHECKING and seen.checks is not None and seen.checks.passed:
        canary = canary.model_copy(update={"checks": seen.checks.message})
        phase = CanaryPhase.WATCHING
    if phase == CanaryPhase.PAUSED and step_seconds(seen, canary.step) is not None:
        # It waited for a person, and now the spec says how long it lasts.
        phase = CanaryPhase.WATCHING
    if phase == CanaryPhase.WATCHING and canary.phase == CanaryPhase.WATCHING:
        return _watched(seen, state, canary)
    if phase != canary.phase:
        canary = canary.model_copy(update={"phase": phase, "since": seen.now})
    return state.model_copy(update={"canary": canary})


def _watched(seen: RolloutInputs, state: RolloutStatus, canary: CanaryStatus) -> RolloutStatus:
    lasts = step_seconds(seen, canary.step)
    said = f"step {canary.step + 1}: {seen.analysis.message}" if seen.analysis else None
    if lasts is not None and seen.elapsed >= lasts and seen.analysis is not None and seen.has_canary_pods:
        return next_step(seen, state, said=said)
    if lasts is None:
        waits = {"phase": CanaryPhase.PAUSED, "since": seen.now, "message": "waits for `agentctl promote`"}
        return state.model_copy(update={"canary": canary.model_copy(update=waits)})
    return state
