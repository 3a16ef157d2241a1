"""Channels and agents as a plan sees them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_operator.api.v1alpha1.channel import AgentRuntimeChannelSpec, AgentRuntimeChannelStatus
from agent_operator.fleet import channel_status
from agent_operator.fleet.members import Member, Release
from agent_operator.fleet.wave_plan import ChannelPlan, ChannelState, plan
from agent_operator.kube.objects import Key

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
OLD = Release("1")


def make(name: str, *, wave: str = "", **changed: Any) -> Member:
    """An agent that runs version 1, which its channel gave to it, and is well; ordered by its name."""
    labels = {"wave": wave} if wave else {}
    usual: dict[str, Any] = {
        "assigned": OLD,
        "running_version": "1",
        "requested_revision": "r1",
        "updated": True,
        "was_healthy": True,
    }
    return Member(Key("ns", name), f"uid-{name}", name, labels, "stable", **(usual | changed))


@dataclass
class World:
    """A channel, its agents and a clock; `step` does what the operator would."""

    spec: dict[str, Any]
    agents: dict[str, Member] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    now: datetime = START
    generation: int = 1

    @property
    def channel(self) -> ChannelState:
        spec = AgentRuntimeChannelSpec.model_validate(self.spec)
        return ChannelState("stable", "u", self.generation, spec, AgentRuntimeChannelStatus.model_validate(self.status))

    def look(self) -> ChannelPlan:
        """Plan, and do nothing."""
        return plan(self.channel, self.agents.values(), self.now)

    def step(self) -> dict[str, str]:
        """Plan, write the status, give the versions. Returns who was given which version."""
        step = self.look()
        self.status = channel_status.status(step, self.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        for agent, release in step.assignments:
            self.give(agent.key.name, release)
        return {agent.key.name: release.version for agent, release in step.assignments}

    def give(self, name: str, release: Release) -> None:
        agent = self.agents[name]
        same = agent.running_version == release.version
        self.agents[name] = replace(agent, assigned=release, updated=agent.updated and same, failed=False)

    def end(self, *names: str, fails: bool = False) -> None:
        """The rollouts of these agents end."""
        for name in names:
            agent = self.agents[name]
            assert agent.assigned
            runs = agent.running_version if fails else agent.assigned.version
            self.agents[name] = replace(
                agent, updated=not fails, failed=fails, running_version=runs, was_healthy=agent.was_healthy or not fails
            )

    def edit(self, **spec: Any) -> None:
        self.spec = self.spec | spec
        self.generation += 1

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def phases(self) -> list[str]:
        return [wave["phase"] for wave in self.status["waves"]]

    def condition(self, kind: str) -> Mapping[str, Any]:
        return next((it for it in self.status["conditions"] if it["type"] == kind), {})


@pytest.fixture
def world() -> Callable[..., World]:
    """A channel whose version 1 all agents run; `waves` are pairs of a selected label's value and further fields."""

    def build(agents: Iterable[Member], waves: Iterable[tuple[str, dict[str, Any]]] = (), **spec: Any) -> World:
        listed = [{"selector": {"matchLabels": {"wave": name}}, "name": name} | more for name, more in waves]
        made = World({"version": "1", "waves": listed} | spec, {agent.key.name: agent for agent in agents})
        if made.agents:
            made.status = {"version": "1", "stableVersion": "1"}
            made.step()
        return made

    return build


@pytest.fixture(name="make", scope="session")
def _make() -> Callable[..., Member]:
    return make
