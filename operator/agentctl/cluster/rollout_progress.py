"""The state of a rollout, read from the agent's status: a verdict for scripts, a summary and a table for people."""

from datetime import datetime
from enum import Enum, auto

from rich.console import Group
from rich.table import Table
from rich.text import Text

from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import CanaryStatus, Rollout, RolloutStatus
from agent_operator.rollout.rollout_inputs import DEFAULT_PAUSE_SECONDS, DEFAULT_STEPS, CanaryPhase
from agent_operator.status.conditions import is_true
from agentctl.cluster.history import short_duration
from agentctl.cluster.states import Colour, DisplayState
from agentctl.objects import Object, nested_field
from agentctl.ui.console import table


class Verdict(Enum):
    """The result of a rollout. `rollout status -o json` prints the names in lower case."""

    COMPLETE = auto()
    UNDER_WAY = auto()
    WAITING = auto()
    """The canary waits for a user to promote or resume it."""
    FAILED = auto()
    """The rollout was rolled back, or cannot continue without a change."""


def rollout_status(agent: Object) -> RolloutStatus:
    """Parse status.rollout."""
    return RolloutStatus.model_validate(nested_field(agent, "status", "rollout") or {})


def verdict(agent: Object) -> Verdict:
    """Return the result of the rollout of the current spec."""
    conditions = nested_field(agent, "status", "conditions") or ()
    if nested_field(agent, "status", "observedGeneration") != nested_field(agent, "metadata", "generation"):
        return Verdict.UNDER_WAY
    rollout = rollout_status(agent)
    if rollout.canary is not None and (rollout.paused or rollout.canary.phase == CanaryPhase.PAUSED):
        return Verdict.WAITING
    if nested_field(agent, "spec", "suspend"):
        return Verdict.FAILED
    if rollout.rolled_back is not None and rollout.rolled_back.manual:
        # Ready is false, because the spec describes another revision than the one that the user chose.
        restored = _condition(agent, "Ready").get("reason") == Reason.ROLLED_BACK
        return Verdict.COMPLETE if restored else Verdict.UNDER_WAY
    if rollout.rolled_back is not None or is_true(conditions, "Stalled"):
        return Verdict.FAILED
    done = _condition(agent, "Progressing").get("reason") == Reason.ROLLOUT_COMPLETE
    return Verdict.COMPLETE if done and is_true(conditions, "Ready") else Verdict.UNDER_WAY


def summary(agent: Object) -> str:
    """Return one line: the revision that runs, and the message of the rollout."""
    status = nested_field(agent, "status") or {}
    running = _running(agent)
    if nested_field(agent, "spec", "suspend"):
        return f"{running}; suspended: set spec.suspend to false to continue"
    if status.get("observedGeneration") != nested_field(agent, "metadata", "generation"):
        return f"{running}; waiting for the operator to observe the latest change"
    progressing = _condition(agent, "Progressing")
    if progressing.get("reason") == Reason.ROLLOUT_COMPLETE:
        return running
    return f"{running}; {progressing.get('message') or 'waiting for the operator to report progress'}"


def draw(agent: Object, now: datetime) -> Group:
    """Return the output of `rollout status`: the summary, or the steps of a canary while there is one."""
    colours = {Verdict.COMPLETE: Colour.GOOD, Verdict.FAILED: Colour.BAD}
    colour, canary = colours.get(verdict(agent), Colour.WAITING), rollout_status(agent).canary
    if canary is None:
        return Group(Text(summary(agent), colour))
    parts: list[Text | Table] = [Text(f"{_running(agent)}; canary of {canary.revision}", colour)]
    if canary.checks:
        parts.append(Text(f"checks: {canary.checks}"))
    return Group(*parts, _steps_table(agent, canary, now))


def _running(agent: Object) -> str:
    status = nested_field(agent, "status") or {}
    revision = f"revision {status['revision']}" if status.get("revision") else "no revision yet"
    return f"{nested_field(agent, 'metadata', 'name')} runs {revision}, {status.get('ready', 'no')} pods ready"


def _condition(agent: Object, kind: str) -> Object:
    conditions = nested_field(agent, "status", "conditions") or ()
    return next((condition for condition in conditions if condition["type"] == kind), {})


def _steps_table(agent: Object, canary: CanaryStatus, now: datetime) -> Table:
    rows = table("STEP", "WEIGHT", "DURATION", "STATE")
    spec = Rollout.model_validate(nested_field(agent, "spec", "rollout") or {}).canary
    paused = bool(rollout_status(agent).paused)
    for index, step in enumerate((spec and spec.steps) or DEFAULT_STEPS):
        seconds = step.pause.duration_seconds if step.pause else DEFAULT_PAUSE_SECONDS
        state = _step_state(canary, index, seconds, now, paused=paused)
        duration = "until promoted" if seconds is None else short_duration(seconds)
        rows.add_row(str(index + 1), f"{step.weight} %", duration, Text(state.text, state.colour))
    return rows


def _step_state(
    canary: CanaryStatus, index: int, seconds: float | None, now: datetime, *, paused: bool
) -> DisplayState:
    if index < canary.step or canary.phase == CanaryPhase.PROMOTING:
        return DisplayState("done", Colour.GOOD)
    if index > canary.step:
        return DisplayState("pending")
    text = "paused" if paused else canary.phase.lower()
    if text == "watching" and seconds is not None:
        # The operator counts from its first sample of the metrics, so the step can take a little longer.
        left = seconds - (now - datetime.fromisoformat(canary.since)).total_seconds()
        text += f", about {short_duration(left)} left" if left > 0 else ", about to end"
    return DisplayState(": ".join(filter(None, (text, canary.message))), Colour.WAITING)


def data(agent: Object) -> Object:
    """Return the state of a rollout as `rollout status -o json` prints it."""
    status = agent.get("status") or {}
    keys = ("revision", "lastGoodRevision", "ready", "rollout")
    types = ("Ready", "Progressing", "Stalled")
    conditions = [condition for condition in status.get("conditions") or () if condition["type"] in types]
    found = {key: status[key] for key in keys if key in status}
    return {"verdict": verdict(agent).name.lower()} | found | {"conditions": conditions}
