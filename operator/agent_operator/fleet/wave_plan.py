"""Plans the next step of a channel. Pure: spec, status, agents and time in; assignments and the state of the waves out.

The agents show the progress of an upgrade: which release they were assigned, and whether they are healthy. The status
of the channel contains the rest: since when a wave is healthy, which waves are done, and which release completed last.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agent_operator.api.v1alpha1.channel import (
    AgentRuntimeChannelSpec,
    AgentRuntimeChannelStatus,
    WavePhase,
    WaveStatus,
)
from agent_operator.fleet.maintenance_window import InvalidWindow, opens_in
from agent_operator.fleet.members import Member, Release
from agent_operator.fleet.waves import WaveMembers, split_into_waves

_CLOSED_PHASES = (WavePhase.WAITING, WavePhase.HALTED)


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A channel as last observed. `default_image`: repository of the operator's runtime image."""

    name: str
    uid: str
    generation: int
    spec: AgentRuntimeChannelSpec
    status: AgentRuntimeChannelStatus = field(default_factory=AgentRuntimeChannelStatus)
    default_image: str = ""

    @property
    def target(self) -> Release:
        """The release that the spec requests."""
        image = self.spec.image or ""
        return Release(self.spec.version, "" if image == self.default_image else image)

    @property
    def rolling_out(self) -> Release | None:
        """The target when the status was written."""
        return _release(self.status.version, self.status.image)

    @property
    def stable(self) -> Release | None:
        """The last release that was rolled out completely."""
        return _release(self.status.stable_version, self.status.stable_image)

    @property
    def targets_stable(self) -> bool:
        """Whether the spec requests the stable release. All agents ran it before, so no wave waits for another."""
        return self.stable == self.target


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether running agents may be assigned another release now. `opens_in`: seconds until the window opens."""

    paused: bool = False
    opens_in: float = 0.0
    invalid: str = ""

    @property
    def open(self) -> bool:
        """Whether nothing forbids assignments."""
        return not (self.paused or self.opens_in or self.invalid)


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """The next step of a channel.

    Attributes:
        channel: the channel that was planned.
        gate: whether running agents may be assigned another release.
        assignments: the releases to assign, with their agents.
        waves: the state of each wave.
        members: the agents of each wave.
        stable: the last release that was rolled out completely, with this step included.
        halted: whether too many agents failed.
        requeue_after: seconds after which to plan again, even without a change; None if only a change matters.
    """

    channel: ChannelState
    gate: Gate
    assignments: tuple[tuple[Member, Release], ...]
    waves: tuple[WaveStatus, ...]
    members: tuple[WaveMembers, ...] = field(repr=False)
    stable: Release | None
    halted: bool
    requeue_after: float | None

    @property
    def agents(self) -> tuple[Member, ...]:
        """All agents, wave by wave."""
        return tuple(agent for wave in self.members for agent in wave.agents)

    @property
    def complete(self) -> bool:
        """Whether the target was rolled out completely."""
        return self.stable == self.channel.target

    @property
    def current_wave(self) -> int:
        """Index of the first wave that is not done, or of the last wave."""
        return next((i for i, wave in enumerate(self.waves) if wave.phase != WavePhase.DONE), len(self.waves) - 1)


def plan(channel: ChannelState, agents: Iterable[Member], now: datetime) -> ChannelPlan:
    """Plan the next step of a channel."""
    members = split_into_waves(channel.spec, agents)
    target, stable = channel.target, channel.stable
    all_agents = [agent for wave in members for agent in wave.agents]
    failed = sum(has_release(agent, target) and agent.failed for agent in all_agents)
    too_many_failed = failed > (channel.spec.max_failures or 0)
    # Returning to the stable release ends a halt, so failures do not halt it. They only stop assignments to agents
    # that join.
    halted = too_many_failed and not channel.targets_stable
    gate = _gate(channel, now)
    waves, soaks = _wave_statuses(channel, members, halted=halted, now=now)
    if all_agents and all(wave.phase == WavePhase.DONE for wave in waves):
        stable = target
    assignments = tuple(_assignments(channel, members, waves, gate=gate, halted=too_many_failed))
    is_complete = stable == target and all(has_release(agent, target) for agent in all_agents)
    waits = [*soaks, *([gate.opens_in] if gate.opens_in and not is_complete else ())]
    return ChannelPlan(channel, gate, assignments, waves, members, stable, halted, min(waits, default=None))


def has_release(agent: Member, release: Release) -> bool:
    """Return whether an agent was assigned a release."""
    return agent.assigned == release


def _gate(channel: ChannelState, now: datetime) -> Gate:
    paused = bool(channel.spec.paused)
    if channel.spec.window is None:
        return Gate(paused)
    try:
        return Gate(paused, opens_in(channel.spec.window, now))
    except InvalidWindow as error:
        return Gate(paused, invalid=str(error))


def _wave_statuses(
    channel: ChannelState, members: Sequence[WaveMembers], *, halted: bool, now: datetime
) -> tuple[tuple[WaveStatus, ...], list[float]]:
    """Return the state of each wave, and the remaining seconds of the soaks in progress."""
    before = {}
    if channel.rolling_out == channel.target:
        before = {wave.definition: wave for wave in reversed(channel.status.waves)}
    released, waves, soaks = True, [], []
    for wave in members:
        phase, healthy_since, remaining = WavePhase.WAITING, None, 0.0
        if released:
            known = before.get(wave.definition)
            phase, healthy_since, remaining = _phase(channel, wave, known, halted=halted, now=now)
        if phase == WavePhase.SOAKING:
            soaks.append(remaining)
        released = phase == WavePhase.DONE or channel.targets_stable
        waves.append(_wave_status(wave, channel.target, phase, healthy_since))
    return tuple(waves), soaks


def _phase(
    channel: ChannelState, wave: WaveMembers, before: WaveStatus | None, *, halted: bool, now: datetime
) -> tuple[WavePhase, str | None, float]:
    """Return the phase of a released wave, since when it is healthy, and the remaining seconds of its soak."""
    # A wave that was done while it was empty proved nothing.
    proven = before if before and before.agents else None
    if proven and proven.phase == WavePhase.DONE and not channel.targets_stable:
        return WavePhase.DONE, proven.healthy_since, 0.0
    if halted:
        return WavePhase.HALTED, None, 0.0
    since = proven.healthy_since if proven else None
    if not all(_is_settled(agent, channel.target, soaking=since is not None) for agent in wave.agents):
        return WavePhase.ROLLING_OUT, None, 0.0
    if channel.targets_stable or not wave.agents:
        return WavePhase.DONE, since, 0.0
    elapsed = (now - datetime.fromisoformat(since)).total_seconds() if since else -1.0
    if since is None or elapsed < 0:
        # The soak starts now, or starts again because the clock was set back.
        since, elapsed = _rfc3339(now), 0.0
    remaining = wave.soak_seconds - elapsed
    return (WavePhase.DONE, since, 0.0) if remaining <= 0 else (WavePhase.SOAKING, since, remaining)


def _is_settled(agent: Member, target: Release, *, soaking: bool) -> bool:
    """Return whether a wave does not wait for an agent. An agent that is new during the soak does not restart it."""
    if agent.skipped or (soaking and not agent.was_healthy):
        return True
    return has_release(agent, target) and (agent.updated or agent.failed)


def _wave_status(wave: WaveMembers, target: Release, phase: WavePhase, healthy_since: str | None) -> WaveStatus:
    assigned = [agent for agent in wave.agents if has_release(agent, target)]
    return WaveStatus(
        name=wave.name,
        agents=len(wave.agents),
        updated=sum(agent.updated for agent in assigned),
        failed=sum(agent.failed for agent in assigned),
        phase=phase,
        healthy_since=healthy_since,
        definition=wave.definition,
    )


def _assignments(
    channel: ChannelState, members: Sequence[WaveMembers], waves: Sequence[WaveStatus], *, gate: Gate, halted: bool
) -> Iterator[tuple[Member, Release]]:
    target = channel.target
    for wave, status in zip(members, waves, strict=True):
        may_upgrade = gate.open and not halted and status.phase not in _CLOSED_PHASES
        free = wave.max_concurrent - sum(_is_upgrading(it) for it in wave.agents if has_release(it, target))
        for agent in wave.agents:
            if has_release(agent, target):
                continue
            if agent.assigned is None and not agent.running_version:
                first = _first_release(channel, may_upgrade=may_upgrade, halted=halted)
                yield from [(agent, first)] if first else ()
            elif channel.targets_stable and agent.assigned is not None:
                if not gate.paused:
                    yield agent, target
            elif may_upgrade and free > 0 and not agent.skipped:
                free -= 1
                yield agent, target


def _is_upgrading(agent: Member) -> bool:
    return not (agent.updated or agent.failed or agent.skipped)


def _first_release(channel: ChannelState, *, may_upgrade: bool, halted: bool) -> Release | None:
    """Return what a new agent starts with. It runs nothing yet, so maxConcurrent does not apply to it."""
    if may_upgrade:
        return channel.target
    return channel.stable or (None if halted else channel.target)


def _release(version: str | None, image: str | None) -> Release | None:
    return Release(version, image or "") if version else None


def _rfc3339(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
