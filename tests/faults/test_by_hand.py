"""What people and tools do to the objects of a rollout behind the operator's back: nothing breaks by it."""

from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.kube.objects import Key
from agent_operator.kube.workqueue import Trigger
from tests.faults.agents import ONE, TWO, Agent, promoted, returned
from tests.faults.conftest import NAME, World
from tests.integration.agent_operator.conftest import until


@pytest.fixture
def agent(world: World) -> Agent:
    return Agent(world)


@pytest.mark.parametrize("command", ["promote", "abort"])
async def test_history_that_is_deleted_by_hand_breaks_nothing(agent: Agent, command: str) -> None:
    """The stable revision's record is gone: its pods stay as they are until something else is to run."""
    world, api = agent.world, agent.world.api
    async with agent.halfway() as operator:
        stable = (await agent.status())["rollout"]["stable"]
        before = await agent.deployment()
        await api.delete("ControllerRevision", constants.revision(NAME, stable))
        await world.idle(operator)
        operator.queue.add(Key(api.namespace, NAME), Trigger.AGENT)
        await world.idle(operator)
        assert (await agent.deployment()) == before
        assert (await agent.status())["rollout"]["canary"]["phase"] == "Paused"
        await agent.tell(command)
        await agent.until(promoted if command == "promote" else returned)
        await world.idle(operator)
        await agent.is_whole(kept=1)


async def test_a_config_that_is_deleted_by_hand_is_made_anew(agent: Agent) -> None:
    api = agent.world.api
    async with agent.halfway() as operator:
        volumes = (await agent.deployment())["template"]["spec"]["volumes"]
        name = next(it["configMap"]["name"] for it in volumes if "configMap" in it)
        before = await api.get("ConfigMap", name) or {}
        await api.delete("ConfigMap", name)

        async def again() -> Any:
            found = await api.get("ConfigMap", name)
            return found and found["metadata"]["uid"] != before["metadata"]["uid"] and found

        assert (await until(again))["data"] == before["data"]
        await agent.tell("abort")
        await agent.ends(operator, returned)


async def test_a_command_that_comes_back_again_and_again_goes_nowhere_else(agent: Agent) -> None:
    """A GitOps tool puts the annotation back each time that it is taken away."""
    world = agent.world
    async with world.operator() as operator:
        await world.api.agent(**ONE)
        await world.at_rest(operator)
        await world.api.agent(**TWO)
        await agent.until(promoted)
        await world.at_rest(operator)
        await agent.tell("rollback")
        first = await agent.ends(operator, returned)
        for _ in range(2):
            await agent.tell("rollback")
            again = await agent.ends(operator, returned)
            assert again["revision"] == first["revision"]
