"""The table of agents that `agentctl list` prints. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent_operator.api.reasons import Reason
from agent_operator.fleet.members import followed_channel
from agentctl.cluster.history import short_duration
from agentctl.cluster.states import Colour, DisplayState
from agentctl.objects import Object, nested_field

HEADER = ("NAME", "VERSION", "PHASE", "READY", "MODEL", "CHANNEL", "AGE")
_VERSION_WIDTH = 24
# Reasons of Ready=False that end by themselves.
_TRANSIENT = frozenset(
    {
        Reason.ROLLING_OUT,
        Reason.NOT_APPLIED,
        Reason.NO_DEPLOYMENT,
        Reason.TERMINATING,
        Reason.ADOPTING,
        Reason.CANARY_PAUSED,
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """One agent.

    Attributes:
        namespace: of the AgentDeployment.
        name: of the AgentDeployment.
        version: of the runtime.
        phase: Ready, the step of a canary, or why the agent is not ready.
        message: details of the phase; may be empty.
        ready: ready pods of all desired pods.
        model: the default model.
        channel: the AgentRuntimeChannel that the agent follows; empty for none.
        created: RFC 3339 in UTC.
    """

    namespace: str
    name: str
    version: str
    phase: DisplayState
    message: str
    ready: str
    model: str
    channel: str
    created: str

    def cells(self, now: datetime, *, with_namespace: bool) -> tuple[str | DisplayState, ...]:
        """Return the cells of the table."""
        version = self.version if len(self.version) <= _VERSION_WIDTH else f"{self.version[: _VERSION_WIDTH - 1]}…"
        cells = (self.name, version, self.phase, self.ready, self.model, self.channel, self.age(now))
        return (self.namespace, *cells) if with_namespace else cells

    def age(self, now: datetime) -> str:
        """Return the time since the creation of the agent."""
        try:
            return short_duration((now - datetime.fromisoformat(self.created)).total_seconds())
        except (TypeError, ValueError):
            return ""

    def to_json(self) -> Object:
        """Return the row as `list -o json` prints it."""
        text = {"namespace": self.namespace, "name": self.name, "version": self.version, "phase": self.phase.text}
        rest = {"ready": self.ready, "model": self.model, "channel": self.channel, "created": self.created}
        return text | {"message": self.message} | rest


def rows(agents: Iterable[Object]) -> list[Row]:
    """Return the rows of agents, by namespace and name."""
    return sorted(map(row, agents), key=lambda item: (item.namespace, item.name))


def row(agent: Object) -> Row:
    """Return the row of an agent."""
    status = nested_field(agent, "status") or {}
    metadata = agent["metadata"]
    state, message = phase(agent)
    return Row(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata["name"]),
        version=str(status.get("runtimeVersion") or ""),
        phase=state,
        message=message,
        ready=str(status.get("ready") or ""),
        model=str(status.get("model") or ""),
        channel=followed_channel(agent),
        created=str(metadata.get("creationTimestamp") or ""),
    )


def phase(agent: Object) -> tuple[DisplayState, str]:
    """Return what an agent does or why it is not ready, and the message of the operator."""
    if nested_field(agent, "metadata", "deletionTimestamp"):
        return DisplayState("Terminating", Colour.WAITING), ""
    if nested_field(agent, "spec", "suspend"):
        return DisplayState("Suspended", Colour.WAITING), "set spec.suspend to false to continue"
    status = nested_field(agent, "status") or {}
    if status.get("observedGeneration") != nested_field(agent, "metadata", "generation"):
        return DisplayState("Pending", Colour.WAITING), "the operator has not observed the latest change"
    condition = ready_condition(agent)
    message = str(condition.get("message") or "")
    if canary := _canary(agent):
        return canary, str(nested_field(status, "rollout", "canary", "message") or message)
    if condition.get("status") == "True":
        return DisplayState("Ready", Colour.GOOD), message
    reason = str(condition.get("reason") or "Pending")
    return DisplayState(reason, Colour.WAITING if reason in _TRANSIENT else Colour.BAD), message


def ready_condition(agent: Object) -> Object:
    """Return the condition Ready; empty if the operator has not reported it."""
    conditions: Sequence[Object] = nested_field(agent, "status", "conditions") or ()
    return next((item for item in conditions if item.get("type") == "Ready"), {})


def _canary(agent: Object) -> DisplayState | None:
    canary = nested_field(agent, "status", "rollout", "canary")
    if not isinstance(canary, dict):
        return None
    steps = nested_field(agent, "spec", "rollout", "canary", "steps") or [{}]
    paused = nested_field(agent, "status", "rollout", "paused") or canary.get("phase") == "Paused"
    text = f"Canary {canary.get('step', 0) + 1}/{len(steps)}, {canary.get('weight')} %"
    return DisplayState(f"{text}, paused" if paused else text, Colour.WAITING)
