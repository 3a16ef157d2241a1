"""Inject a fault into any write of a rollout: its end state is that of a run without faults."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from agent_operator import manager as controllers
from agent_operator.inputs.agent_inputs import Platform
from tests.faults.agents import ONE, TWO, Agent, Status, env, promoted, returned
from tests.faults.cluster import Cluster, EndState
from tests.faults.proxy import Mode
from tests.polling import wait_until
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
        after: the spec that is applied then, if it differs.
        command: the rollout command that is submitted then.
        over: whether a status is the end of the scenario.
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


# A lost response has the same effect on all writes, and so has an error: a promotion and a rollback cover them.
BROKEN = [
    *((name, mode) for name in SCENARIOS for mode in (Mode.KILL_BEFORE, Mode.KILL_AFTER)),
    *((name, mode) for name in ("canary", "crash loop") for mode in (Mode.DROP, Mode.CONFLICT)),
]
# Every scenario once, and every mode once. The campaign runs all combinations.
SAMPLE = {
    ("canary", Mode.KILL_BEFORE),
    ("checks fail", Mode.KILL_AFTER),
    ("crash loop", Mode.DROP),
    ("rollback", Mode.KILL_BEFORE),
    ("upgrade", Mode.KILL_AFTER),
    ("canary", Mode.CONFLICT),
}
CASES = [pytest.param(*case, marks=() if case in SAMPLE else pytest.mark.campaign) for case in BROKEN]


@pytest.fixture
def agent(cluster: Cluster) -> Agent:
    return Agent(cluster)


@pytest.fixture(scope="module")
def references() -> dict[str, EndState]:
    """End states of runs without faults, computed on first use."""
    return {}


async def run(agent: Agent, scenario: Scenario, mode: Mode | None, monkeypatch: pytest.MonkeyPatch) -> EndState:
    """Run a scenario to its end, and restart the operator as often as it is killed."""
    cluster = agent.cluster
    monkeypatch.setattr(controllers, "Platform", Platform)
    async with cluster.operator() as operator:
        await cluster.api.apply_agent(**scenario.before)
        await cluster.wait_until_converged(operator)
        if scenario.command == "rollback":
            await cluster.api.apply_agent(**TWO)
            await agent.wait_for(promoted)
            await cluster.wait_until_converged(operator)
    if scenario.command == "upgrade":
        monkeypatch.setattr(controllers, "Platform", partial(Platform, runtime_version="99.0.0"))
    cluster.proxy.reset()
    cluster.proxy.each = mode
    if scenario.after:
        await cluster.api.apply_agent(**scenario.after)
    if scenario.command:
        await agent.submit(scenario.command)
    while True:
        async with cluster.operator() as operator:
            if await cluster.unless_killed(_ended(agent, operator, scenario)):
                break
    await agent.assert_finished()
    return await cluster.end_state()


async def _ended(agent: Agent, operator: Any, scenario: Scenario) -> None:
    await agent.wait_for(scenario.over)
    # The objects of the canary are deleted with its last pods, after the end in the status.
    await wait_until(partial(_is_tidy, agent))
    await agent.cluster.wait_until_converged(operator, reason=scenario.reason)


async def _is_tidy(agent: Agent) -> bool:
    return not any("canary" in name or "check" in name for _, name in await agent.cluster.api.children())


@pytest.mark.parametrize(("name", "mode"), CASES)
async def test_a_rollout_finishes_when_any_of_its_writes_fails(
    agent: Agent, references: dict[str, EndState], monkeypatch: pytest.MonkeyPatch, name: str, mode: Mode
) -> None:
    """Every write gets a fault once: those of the canary's start and steps, of its promotion, and of a rollback."""
    scenario = SCENARIOS[name]
    if name not in references:
        references[name] = await run(agent, scenario, None, monkeypatch)
        await agent.cluster.use_new_namespace()

    end, expected = await run(agent, scenario, mode, monkeypatch), references[name]
    assert end.status == expected.status
    assert end.children == expected.children
    assert (end.created, end.deleted) == (expected.created, expected.deleted)
