"""The next step of a channel. Pure: its spec and status, its agents and the time in; what to give, and status, out.

Where a roll-out stands is what the agents have been given, and how they are. The channel's status adds what they cannot
tell: since when a wave is well, which waves are done, and which version was the last to be rolled out completely.
"""

from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A channel as last seen. `own_image`: the repository of the operator's runtime image."""

    name: str
    uid: str
    generation: int
    spec: AgentRuntimeChannelSpec
    status: AgentRuntimeChannelStatus = field(default_factory=AgentRuntimeChannelStatus)
    own_image: str = ""

    @property
    def target(self) -> Release:
        """What the spec wants every agent to have."""
        image = self.spec.image or ""
        return Release(self.spec.version, "" if image == self.own_image else image)

    @property
    def rolling_out(self) -> Release | None:
        """What was being rolled out when the status was written."""
        return _release(self.status.version, self.status.image)

    @property
    def stable(self) -> Release | None:
        """What was last rolled out completely."""
        return _release(self.status.stable_version, self.status.stable_image)


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether running agents may be given another version now; `opens_in`: seconds until a window opens."""

    paused: bool = False
    opens_in: float = 0.0
    invalid: str = ""

    @property
    def open(self) -> bool:
        """Nothing is in the way."""
        return not (self.paused or self.opens_in or self.invalid)


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """What to do now.

    Attributes:
        channel: what was looked at.
        gate: whether agents may be given another version.
        assignments: what to give to whom.
        waves: how far each wave is.
        members: their agents.
        stable: what was last rolled out completely, this step included.
        halted: whether too many failed.
        requeue_after: in how many seconds to look again though nothing happens; None: not at all.
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
        """Whether what is wanted was once rolled out completely."""
        return self.stable == self.channel.target

    @property
    def current_wave(self) -> int:
        """Index of the wave that the roll-out is at: the first that is not done, or the last."""
        return next((i for i, wave in enumerate(self.waves) if wave.phase != WavePhase.DONE), len(self.waves) - 1)


def plan(channel: ChannelState, agents: Iterable[Member], now: datetime) -> ChannelPlan:
    """Decide what to give to whom, and how far the roll-out is."""
    members = split_into_waves(channel.spec, agents)
    target = channel.target
    stable = channel.stable
    failed = sum(has_release(agent, target) and agent.failed for wave in members for agent in wave.agents)
    too_many = failed > (channel.spec.max_failures or 0)
    # What all ran once is no risk, and to return to it is the way out of one; only who joins has to wait.
    halted = too_many and stable != target
    gate = _gate(channel, now)
    waves, soaks = _phases(channel, members, halted=halted, now=now)
    if all(wave.phase == WavePhase.DONE for wave in waves) and any(wave.agents for wave in members):
        stable = target
    assignments = tuple(_assignments(channel, members, waves, gate=gate, halted=too_many))
    held_back = stable != target or any(not has_release(it, target) for wave in members for it in wave.agents)
    waits = [*soaks, *([gate.opens_in] if gate.opens_in and held_back else ())]
    return ChannelPlan(channel, gate, assignments, waves, members, stable, halted, min(waits, default=None))


def has_release(agent: Member, release: Release) -> bool:
    """Tell whether an agent was given this."""
    return agent.assigned == release


def _gate(channel: ChannelState, now: datetime) -> Gate:
    paused = bool(channel.spec.paused)
    if channel.spec.window is None:
        return Gate(paused)
    try:
        return Gate(paused, opens_in(channel.spec.window, now))
    except InvalidWindow as error:
        return Gate(paused, invalid=str(error))


def _phases(
    channel: ChannelState, members: Sequence[WaveMembers], *, halted: bool, now: datetime
) -> tuple[tuple[WaveStatus, ...], list[float]]:
    """Tell how far each wave is, and how many seconds those that soak still have to."""
    known = {}
    if channel.rolling_out == channel.target:
        known = {wave.definition: wave for wave in reversed(channel.status.waves)}
    released, waves, soaks = True, [], []
    for wave in members:
        phase, since = WavePhase.WAITING, None
        if released:
            phase, since, left = _phase(channel, wave, known.get(wave.definition), halted=halted, now=now)
            soaks += [left] if phase == WavePhase.SOAKING else []
        # To return to what all ran once, no wave waits for another.
        released = phase == WavePhase.DONE or channel.stable == channel.target
        waves.append(_counted(wave, channel.target, phase, since))
    return tuple(waves), soaks


def _phase(
    channel: ChannelState, wave: WaveMembers, before: WaveStatus | None, *, halted: bool, now: datetime
) -> tuple[WavePhase, str | None, float]:
    """Tell a wave's phase, since when it is well, and for how many seconds it still has to stay so."""
    returning = channel.stable == channel.target
    if before is not None and before.phase == WavePhase.DONE and before.agents and not returning:
        return WavePhase.DONE, before.healthy_since, 0.0
    if halted:
        return WavePhase.HALTED, None, 0.0
    # Of a wave that was empty nobody was well.
    since = before.healthy_since if before and before.agents else None
    if not all(_settled(agent, channel.target, soaking=since is not None) for agent in wave.agents):
        return WavePhase.ROLLING_OUT, None, 0.0
    if returning or not wave.agents:
        return WavePhase.DONE, since, 0.0
    elapsed = (now - datetime.fromisoformat(since)).total_seconds() if since else -1.0
    if since is None or elapsed < 0:
        # Also when the clock was set back: how long it has been, nobody knows.
        since, elapsed = _rfc3339(now), 0.0
    left = wave.soak_seconds - elapsed
    return (WavePhase.DONE, since, 0.0) if left <= 0 else (WavePhase.SOAKING, since, left)


def _settled(agent: Member, target: Release, *, soaking: bool) -> bool:
    """Tell whether a wave need not wait for an agent. One that joined during the soak and never ran proves nothing."""
    if agent.skipped or (soaking and not agent.was_healthy):
        return True
    return has_release(agent, target) and (agent.updated or agent.failed)


def _counted(wave: WaveMembers, target: Release, phase: WavePhase, since: str | None) -> WaveStatus:
    holders = [agent for agent in wave.agents if has_release(agent, target)]
    return WaveStatus(
        name=wave.name,
        agents=len(wave.agents),
        updated=sum(agent.updated for agent in holders),
        failed=sum(agent.failed for agent in holders),
        phase=phase,
        healthy_since=since,
        definition=wave.definition,
    )


def _assignments(
    channel: ChannelState, members: Sequence[WaveMembers], waves: Sequence[WaveStatus], *, gate: Gate, halted: bool
) -> Iterable[tuple[Member, Release]]:
    target, stable = channel.target, channel.stable
    for wave, status in zip(members, waves, strict=True):
        released = status.phase not in (WavePhase.WAITING, WavePhase.HALTED) and not halted
        holders = [agent for agent in wave.agents if has_release(agent, target)]
        free = wave.max_concurrent - sum(not (it.updated or it.failed or it.skipped) for it in holders)
        for agent in wave.agents:
            if has_release(agent, target):
                continue
            if agent.assigned is None and not agent.running_version:
                # It has nothing to lose, and starts with what it is given.
                first = target if released and gate.open else stable or (None if halted else target)
                yield from [(agent, first)] if first else ()
            elif stable == target and agent.assigned is not None:
                if not gate.paused:
                    yield agent, target
            elif released and gate.open and free > 0 and not agent.skipped:
                free -= 1
                yield agent, target


def _release(version: str | None, image: str | None) -> Release | None:
    return Release(version, image or "") if version else None


def _rfc3339(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
