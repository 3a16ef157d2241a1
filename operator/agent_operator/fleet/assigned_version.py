"""Resolves the runtime version of an agent from the channel that it follows. Pure."""

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
    """The runtime version of an agent.

    Attributes:
        assigned: the version to run; None for the operator's default.
        pending: why a new agent must wait for its channel before it starts.
        warning: what is wrong with the channel.
    """

    assigned: Assigned | None = None
    pending: Problem | None = None
    warning: Problem | None = None


def resolve_version(agent: Object, channel: Callable[[str], Object | None]) -> VersionDecision:
    """Return the version that an agent runs. `channel` looks up a channel by name."""
    name, status = followed_channel(agent), agent.get("status") or {}
    if not name:
        return VersionDecision()
    use, followed = status.get("channel") or {}, channel(name)
    warning = None if followed else _missing(name)
    if use.get("name") == name:
        return VersionDecision(_assigned(use), warning=warning)
    running = status.get("runtimeVersion") or ""
    if followed and not running and not _is_halted(followed):
        return VersionDecision(pending=_pending(name))
    # An agent that changes channels or removes a pin keeps its version until the new channel assigns one.
    kept = _assigned(use) if use else Assigned(running) if _TAG.fullmatch(running) else None
    return VersionDecision(kept, warning=warning)


def _is_halted(channel: Object) -> bool:
    return is_true((channel.get("status") or {}).get("conditions") or (), "Halted")


def _assigned(use: Object) -> Assigned:
    return Assigned(use["version"], use.get("image") or "")


def _missing(name: str) -> Problem:
    return Problem(
        Reason.CHANNEL_MISSING,
        "spec.runtime.channel",
        f"no AgentRuntimeChannel {name} exists, or the operator is installed for single namespaces and watches no "
        "channels; the agent keeps its current version: create the channel, or correct the field",
    )


def _pending(name: str) -> Problem:
    message = f"waiting for the AgentRuntimeChannel {name} to assign a version"
    return Problem(Reason.CHANNEL_PENDING, "", message, retry=True)
