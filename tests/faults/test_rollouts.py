"""Break any write of a rollout: it ends where an undisturbed one ends, wholly, and the status tells the truth."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from agent_operator import controller as controllers
from agent_operator import names
from agent_operator.spec.inputs import Platform
from tests.faults.agents import ONE, TWO, Agent, Status, env, promoted, returned
from tests.faults.conftest import NAME, End, World
from tests.faults.proxy import Mode
from tests.integration.agent_operator.conftest import until
from tests.stand_in.pods import CRASHES, REPORT

AT_ONCE = {"durationSeconds": 0}
CHECKS = [{"name": "blue", "prompt": "Say blue.", "contains": ["blue"]}]
CANARY = {
    "strategy": "Canary",
    "canary": {"steps": [{"weight": 25, "pause": AT_ONCE}, {"weight": 50, "pause": AT_ONCE}], "checks": CHECKS},
}
FAILED = '{"passed": false, "total": 1, "failed": 1, "checks": [{"name": "blue", "outcome": "failed"}]}'


@dataclass(frozen=True)
class Scenario:
    """A rollout.

    Attributes:
        before: the spec that runs.
        after: the spec that is asked for then, if another.
        command: what is asked by annotation then.
        over: tells from the status that this is the end.
        reason: of Ready at the end.
    """

    before: dict[str, Any]
    after: dict[str, Any] | None = None
    command: str = ""
    over: Callable[[Status], bool] = promoted
    reason: str = "Ready"


SCENARIOS = {
    "canary": Scenario(ONE | {"rollout": CANARY}, TWO | {"rollout": CANARY}),
    "checks fail": Scenario(
        ONE | {"rollout": CANARY}, TWO | {"rollout": CANARY} | env(REPORT, FAILED), "", returned, "RolledBack"
    ),
    "crash loop": Scenario(ONE, TWO | env(CRASHES), "", returned, "RolledBack"),
    "rollback": Scenario(ONE, None, "rollback", returned, "RolledBack"),
    "upgrade": Scenario(ONE, None, "upgrade"),
}


@pytest.fixture
def agent(world: World) -> Agent:
    return Agent(world)


@pytest.fixture(scope="module")
def references() -> dict[str, End]:
    """The ends of undisturbed runs, each made when it is first asked for."""
    return {}


async def run(agent: Agent, scenario: Scenario, mode: Mode | None, renew: Callable[[], None]) -> End:
    """Bring a scenario to its end, with as many operators as that takes."""
    world = agent.world
    async with world.operator() as operator:
        await world.api.agent(**scenario.before)
        await world.at_rest(operator)
        if scenario.command == "rollback":
            await world.api.agent(**TWO)
            await agent.until(promoted)
            await world.at_rest(operator)
    renew()
    world.proxy.reset()
    world.proxy.each = mode
    if scenario.after:
        await world.api.agent(**scenario.after)
    if scenario.command:
        await agent.tell(scenario.command)
    while True:
        async with world.operator() as operator:
            if await world.unless_killed(_ended(agent, operator, scenario)):
                break
    await agent.is_whole()
    return await world.end()


async def _ended(agent: Agent, operator: Any, scenario: Scenario) -> None:
    await agent.until(scenario.over)
    await agent.world.at_rest(operator, reason=scenario.reason)


@pytest.fixture
def renew(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has the next operator be one of a new version."""
    return lambda: monkeypatch.setattr(controllers, "Platform", partial(Platform, runtime_version="99.0.0"))


@pytest.mark.parametrize("mode", [Mode.KILL_BEFORE, Mode.KILL_AFTER, Mode.DROP, Mode.CONFLICT])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_rollout_ends_wholly_whatever_befalls_its_writes(
    agent: Agent, references: dict[str, End], renew: Callable[[], None], monkeypatch: pytest.MonkeyPatch, name: str, mode: Mode
) -> None:
    scenario = SCENARIOS[name]
    new_version = renew if name == "upgrade" else lambda: None
    if name not in references:
        references[name] = await run(agent, scenario, None, new_version)
        monkeypatch.setattr(controllers, "Platform", Platform)
        await agent.world.renew()

    end, expected = await run(agent, scenario, mode, new_version), references[name]
    assert end.status == expected.status
    assert end.children == expected.children
    assert (end.created, end.deleted) == (expected.created, expected.deleted)
