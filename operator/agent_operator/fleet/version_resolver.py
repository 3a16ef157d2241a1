"""What an agent's pass has to know of the channel that its agent follows. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.fleet.members import followed_channel
from agent_operator.inputs.agent_inputs import Assigned
from agent_operator.status.conditions import is_true

Object = Mapping[str, Any]
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class VersionDecision:
    """What a pass goes by.

    Attributes:
        assigned: the version to run; None: the operator's own.
        pending: why a new agent must wait for its channel before it starts.
        warning: what is wrong with the channel.
    """

    assigned: Assigned | None = None
    pending: Problem | None = None
    warning: Problem | None = None


def resolve_version(agent: Object, channel: Callable[[str], Object | None]) -> VersionDecision:
    """Tell what an agent is to run; `channel` finds a channel by its name."""
    name, status = followed_channel(agent), agent.get("status") or {}
    if not name:
        return VersionDecision()
    given, found = status.get("channel") or {}, channel(name)
    warning = None if found else _missing(name)
    if given.get("name") == name:
        return VersionDecision(_assigned(given), warning=warning)
    runs = status.get("runtimeVersion") or ""
    if found and not runs and not is_true((found.get("status") or {}).get("conditions") or (), "Halted"):
        return VersionDecision(pending=_pending(name))
    # Until its turn comes, an agent that changes channels or gives up a pin keeps what it runs.
    kept = _assigned(given) if given else Assigned(runs) if _TAG.fullmatch(runs) else None
    return VersionDecision(kept, warning=warning)


def _assigned(given: Object) -> Assigned:
    return Assigned(given["version"], given.get("image") or "")


def _missing(name: str) -> Problem:
    return Problem(
        Reason.CHANNEL_MISSING,
        "",
        f"there is no AgentRuntimeChannel {name}, or the operator watches none for it is installed in namespaces: the "
        "agent keeps the version that it has; create the channel, or correct spec.runtime.channel",
    )


def _pending(name: str) -> Problem:
    message = f"the AgentRuntimeChannel {name} is about to give the agent its version"
    return Problem(Reason.CHANNEL_PENDING, "", message, retry=True)
