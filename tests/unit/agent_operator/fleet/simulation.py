"""A simulated channel: its agents, its status and a clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agent_operator.api.v1alpha1.channel import AgentRuntimeChannelSpec, AgentRuntimeChannelStatus
from agent_operator.fleet import channel_status
from agent_operator.fleet.members import Member, Release
from agent_operator.fleet.wave_plan import ChannelPlan, ChannelState, plan
from agent_operator.kube.objects import Key

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
OLD = Release("1")
# Fields of an agent that has never run.
NEW: Mapping[str, Any] = {
    "assigned": None,
    "running_version": "",
    "requested_revision": "",
    "updated": False,
    "was_healthy": False,
}


def make_member(name: str, *, wave: str = "", **changed: Any) -> Member:
    """Return a healthy agent that runs the assigned version 1. Its name is its rank."""
    labels = {"wave": wave} if wave else {}
    healthy: dict[str, Any] = {
        "assigned": OLD,
        "running_version": "1",
        "requested_revision": "r1",
        "updated": True,
        "was_healthy": True,
    }
    return Member(Key("ns", name), f"uid-{name}", name, labels, "stable", **(healthy | changed))


@dataclass
class SimulatedFleet:
    """A channel, its agents and a clock. Tests reconcile it, and finish the upgrades of its agents."""

    spec: dict[str, Any]
    agents: dict[str, Member] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    now: datetime = START
    generation: int = 1

    @property
    def channel(self) -> ChannelState:
        spec = AgentRuntimeChannelSpec.model_validate(self.spec)
        status = AgentRuntimeChannelStatus.model_validate(self.status)
        return ChannelState("stable", "u", self.generation, spec, status)

    def plan(self) -> ChannelPlan:
        """Return the plan without carrying it out."""
        return plan(self.channel, self.agents.values(), self.now)

    def reconcile(self) -> dict[str, str]:
        """Write the status and the assignments of the plan. Returns the assigned versions by agent."""
        channel_plan = self.plan()
        self.status = channel_status.status(channel_plan, self.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        for agent, release in channel_plan.assignments:
            self.assign(agent.key.name, release)
        return {agent.key.name: release.version for agent, release in channel_plan.assignments}

    def assign(self, name: str, release: Release) -> None:
        """Assign a release to an agent, which starts its upgrade."""
        agent = self.agents[name]
        is_running = agent.running_version == release.version
        self.agents[name] = replace(agent, assigned=release, updated=agent.updated and is_running, failed=False)

    def finish_upgrades(self, *names: str, fails: bool = False) -> None:
        """Finish the upgrades of these agents."""
        for name in names:
            agent = self.agents[name]
            assert agent.assigned
            self.agents[name] = replace(
                agent,
                updated=not fails,
                failed=fails,
                running_version=agent.running_version if fails else agent.assigned.version,
                was_healthy=agent.was_healthy or not fails,
            )

    def edit_spec(self, **spec: Any) -> None:
        """Change fields of the spec."""
        self.spec = self.spec | spec
        self.generation += 1

    def advance_clock(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    @property
    def phases(self) -> list[str]:
        """Phase of each wave."""
        return [wave["phase"] for wave in self.status["waves"]]

    def assigned_version(self, name: str) -> str:
        """Return the version that is assigned to an agent."""
        assigned = self.agents[name].assigned
        return assigned.version if assigned else ""

    def condition(self, kind: str) -> Mapping[str, Any]:
        """Return a condition; empty when it does not exist."""
        return next((it for it in self.status["conditions"] if it["type"] == kind), {})


def make_fleet(
    agents: Iterable[Member], waves: Iterable[tuple[str, dict[str, Any]]] = (), **spec: Any
) -> SimulatedFleet:
    """Return a fleet whose agents all run version 1.

    Args:
        agents: the agents.
        waves: label value that each wave selects, and further fields of the wave.
        spec: further fields of the channel's spec.
    """
    selecting = [{"selector": {"matchLabels": {"wave": value}}, "name": value} | fields for value, fields in waves]
    fleet = SimulatedFleet({"version": "1", "waves": selecting} | spec, {agent.key.name: agent for agent in agents})
    if fleet.agents:
        fleet.status = {"version": "1", "stableVersion": "1"}
        fleet.reconcile()
    return fleet


TWO_WAVES = (("a", {"soakSeconds": 60}), ("b", {"soakSeconds": 60}))


def three_wave_fleet(**spec: Any) -> SimulatedFleet:
    agents = [
        make_member("a1", wave="a"),
        make_member("a2", wave="a"),
        make_member("b1", wave="b"),
        make_member("c1"),
        make_member("c2"),
    ]
    return make_fleet(agents, TWO_WAVES, **spec)


def complete_wave(fleet: SimulatedFleet, *names: str, seconds: float = 60) -> None:
    """Upgrade the agents of the current wave, and let it soak."""
    fleet.reconcile()
    fleet.finish_upgrades(*names)
    fleet.reconcile()
    fleet.advance_clock(seconds)
