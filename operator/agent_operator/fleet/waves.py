"""Which wave an agent belongs to."""

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

REST = "rest"


@dataclass(frozen=True, slots=True)
class WaveMembers:
    """A wave and its agents, in the order in which they get the version."""

    name: str
    definition: str
    max_concurrent: int
    soak_seconds: int
    agents: tuple[Member, ...]


def split_into_waves(spec: AgentRuntimeChannelSpec, agents: Iterable[Member]) -> tuple[WaveMembers, ...]:
    """Put every agent into the first wave that takes it, and what is left into a last one, if anything is."""
    ordered = sorted(agents, key=lambda agent: (agent.rank, agent.key))
    left, made = ordered, []
    for number, wave in enumerate(spec.waves or (), 1):
        taken = _taken(wave, ordered, left)
        made.append(_members(wave, wave.name or f"wave-{number}", [it for it in left if it.key in taken]))
        left = [it for it in left if it.key not in taken]
    if left or not made:
        # Nothing comes after it that a soak could protect.
        made.append(_members(Wave(soak_seconds=0), REST, left))
    return tuple(made)


def _taken(wave: Wave, ordered: Sequence[Member], left: Iterable[Member]) -> set[tuple[str, str]]:
    if wave.percent is not None:
        first = math.ceil(len(ordered) * wave.percent / 100)
        return {agent.key for agent in ordered[:first]}
    selector = wave.selector or LabelSelector()
    return {agent.key for agent in left if matches(selector, agent.labels)}


def _members(wave: Wave, name: str, agents: Iterable[Member]) -> WaveMembers:
    chosen = wave.model_dump_json(include={"selector", "percent"}, exclude_none=True)
    return WaveMembers(
        name=name,
        definition=blake2b(chosen.encode(), digest_size=5).hexdigest(),
        max_concurrent=wave.max_concurrent or DEFAULT_MAX_CONCURRENT,
        soak_seconds=DEFAULT_SOAK_SECONDS if wave.soak_seconds is None else wave.soak_seconds,
        agents=tuple(agents),
    )


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Tell whether labels fit a selector, as Kubernetes does."""
    wanted = (selector.match_labels or {}).items()
    return wanted <= labels.items() and all(_meets(it, labels) for it in selector.match_expressions or ())


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
