"""Where the rollout of an agent stands, read from its status: for people, and as a verdict."""

from datetime import datetime
from enum import Enum, auto

from rich.console import Group
from rich.table import Table
from rich.text import Text

from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import CanaryStatus, Rollout, RolloutStatus
from agent_operator.rollout.rollout_inputs import DEFAULT_PAUSE_SECONDS, DEFAULT_STEPS, CanaryPhase
from agent_operator.status.conditions import is_true
from agentctl.cluster.history import age
from agentctl.cluster.snapshot import Object
from agentctl.cluster.states import Colour, State
from agentctl.offline.input_files import dig


class Verdict(Enum):
    """What has become of a rollout."""

    COMPLETE = auto()
    UNDER_WAY = auto()
    WAITING = auto()
    """A person must say how it goes on."""
    FAILED = auto()
    """It was rolled back, or gets no further without a change."""


def rollout(agent: Object) -> RolloutStatus:
    """Read status.rollout."""
    return RolloutStatus.model_validate(dig(agent, "status", "rollout") or {})


def judge(agent: Object) -> Verdict:
    """Tell what has become of the rollout of what the spec asks for."""
    conditions = dig(agent, "status", "conditions") or ()
    if dig(agent, "status", "observedGeneration") != dig(agent, "metadata", "generation"):
        return Verdict.UNDER_WAY
    state = rollout(agent)
    if state.canary is not None and (state.paused or state.canary.phase == CanaryPhase.PAUSED):
        return Verdict.WAITING
    given_up = state.rolled_back is not None and not state.rolled_back.manual
    if given_up or is_true(conditions, "Stalled") or dig(agent, "spec", "suspend"):
        return Verdict.FAILED
    done = _condition(agent, "Progressing").get("reason") in (Reason.ROLLOUT_COMPLETE, Reason.ROLLED_BACK)
    return Verdict.COMPLETE if done and is_true(conditions, "Ready") else Verdict.UNDER_WAY


def sentence(agent: Object) -> str:
    """Tell in a line what runs, and why."""
    status = dig(agent, "status") or {}
    said = _running(agent)
    if dig(agent, "spec", "suspend"):
        return f"{said}; suspended: nothing changes until spec.suspend is false"
    if status.get("observedGeneration") != dig(agent, "metadata", "generation"):
        return f"{said}; the operator has not seen the latest change yet"
    progressing = _condition(agent, "Progressing")
    if progressing.get("reason") == Reason.ROLLOUT_COMPLETE:
        return said
    return f"{said}; {progressing.get('message') or 'the operator has not said more'}"


def draw(agent: Object, now: datetime) -> Group:
    """Return what `rollout status` shows: a line, and the steps of a canary while there is one."""
    colours = {Verdict.COMPLETE: Colour.GOOD, Verdict.FAILED: Colour.BAD}
    colour, canary = colours.get(judge(agent), Colour.WAITING), rollout(agent).canary
    if canary is None:
        return Group(Text(sentence(agent), colour))
    parts: list[Text | Table] = [Text(f"{_running(agent)}; canary of {canary.revision}", colour)]
    if canary.checks:
        parts.append(Text(f"checks: {canary.checks}"))
    return Group(*parts, _steps(agent, canary, now))


def _running(agent: Object) -> str:
    status = dig(agent, "status") or {}
    running = status.get("revision") or "none yet"
    return f"{dig(agent, 'metadata', 'name')} runs revision {running}, {status.get('ready', 'no')} pods ready"


def _condition(agent: Object, kind: str) -> Object:
    found = dig(agent, "status", "conditions") or ()
    return next((condition for condition in found if condition["type"] == kind), {})


def _steps(agent: Object, canary: CanaryStatus, now: datetime) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="")
    for column in ("STEP", "WEIGHT", "LASTS", "STATE"):
        table.add_column(column)
    asked = Rollout.model_validate(dig(agent, "spec", "rollout") or {}).canary
    paused = bool(rollout(agent).paused)
    for index, step in enumerate((asked and asked.steps) or DEFAULT_STEPS):
        lasts = step.pause.duration_seconds if step.pause else DEFAULT_PAUSE_SECONDS
        state = _state(canary, index, lasts, now, paused=paused)
        length = "until promoted" if lasts is None else age(lasts)
        table.add_row(str(index + 1), f"{step.weight} %", length, Text(state.text, state.colour))
    return table


def _state(canary: CanaryStatus, index: int, lasts: float | None, now: datetime, *, paused: bool) -> State:
    if index < canary.step or canary.phase == CanaryPhase.PROMOTING:
        return State("done", Colour.GOOD)
    if index > canary.step:
        return State("to come")
    text = "paused" if paused else canary.phase.lower()
    if text == "watching" and lasts is not None:
        # The operator counts from when it first looked, so this is the least.
        left = lasts - (now - datetime.fromisoformat(canary.since)).total_seconds()
        text += f", about {age(left)} left" if left > 0 else ", about to end"
    return State(": ".join(filter(None, (text, canary.message))), Colour.WAITING)
