"""Divides the members of a channel into waves."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from agent_operator.api.v1alpha1.channel import (
    DEFAULT_MAX_CONCURRENT,
    DEFAULT_SOAK_SECONDS,
    AgentRuntimeChannelSpec,
    LabelRequirement,
    LabelSelector,
    Wave,
)
from agent_operator.fleet.members import Member
from agent_operator.kube.objects import Key

REST = "rest"


@dataclass(frozen=True, slots=True)
class WaveMembers:
    """A wave and its agents, in the order of their upgrade.

    Attributes:
        name: from the spec, or `wave-1`, `wave-2` and so on.
        definition: hash of the wave's selector or percent. It identifies the wave in the status when the order of the
            waves changes.
        max_concurrent: upgrades that may be in progress at once.
        soak_seconds: how long the agents must stay healthy before the next wave starts.
        agents: the agents of the wave.
    """

    name: str
    definition: str
    max_concurrent: int
    soak_seconds: int
    agents: tuple[Member, ...]


def split_into_waves(spec: AgentRuntimeChannelSpec, agents: Iterable[Member]) -> tuple[WaveMembers, ...]:
    """Put each agent into the first wave that selects it, and the others into a last wave, `rest`."""
    ordered = sorted(agents, key=lambda agent: (agent.rank, agent.key))
    remaining, waves = ordered, []
    for number, wave in enumerate(spec.waves or (), 1):
        selected = _selected(wave, ordered, remaining)
        members = [agent for agent in remaining if agent.key in selected]
        waves.append(_wave_members(wave, wave.name or f"wave-{number}", members))
        remaining = [agent for agent in remaining if agent.key not in selected]
    if remaining or not waves:
        # No wave follows, so there is nothing that a soak could protect.
        waves.append(_wave_members(Wave(soak_seconds=0), REST, remaining))
    return tuple(waves)


def _selected(wave: Wave, ordered: Sequence[Member], remaining: Iterable[Member]) -> set[Key]:
    if wave.percent is not None:
        count = math.ceil(len(ordered) * wave.percent / 100)
        return {agent.key for agent in ordered[:count]}
    selector = wave.selector or LabelSelector()
    return {agent.key for agent in remaining if matches(selector, agent.labels)}


def _wave_members(wave: Wave, name: str, agents: Iterable[Member]) -> WaveMembers:
    selection = wave.model_dump_json(include={"selector", "percent"}, exclude_none=True)
    return WaveMembers(
        name=name,
        definition=blake2b(selection.encode(), digest_size=5).hexdigest(),
        max_concurrent=wave.max_concurrent or DEFAULT_MAX_CONCURRENT,
        soak_seconds=DEFAULT_SOAK_SECONDS if wave.soak_seconds is None else wave.soak_seconds,
        agents=tuple(agents),
    )


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Return whether labels match a selector, as Kubernetes defines it."""
    required = (selector.match_labels or {}).items()
    return required <= labels.items() and all(_meets(it, labels) for it in selector.match_expressions or ())


def _meets(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in (requirement.values or ())
        case "NotIn":
            return value not in (requirement.values or ())
        case "Exists":
            return value is not None
    return value is None
