"""Manual changes of the objects of a rollout while it runs."""

from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.kube.objects import Key
from agent_operator.kube.workqueue import Trigger
from tests.faults.agents import ONE, TWO, Agent, promoted, returned
from tests.faults.cluster import NAME, Cluster
from tests.polling import wait_until


@pytest.fixture
def agent(cluster: Cluster) -> Agent:
    return Agent(cluster)


@pytest.mark.parametrize("command", ["promote", "abort"])
async def test_a_rollout_finishes_after_its_history_is_deleted(agent: Agent, command: str) -> None:
    """The record of the stable revision is deleted. Its pods stay until another revision is the target."""
    cluster, api = agent.cluster, agent.cluster.api
    async with agent.paused_canary() as operator:
        stable = (await agent.status())["rollout"]["stable"]
        before = await agent.deployment()
        await api.delete("ControllerRevision", constants.revision(NAME, stable))
        await cluster.wait_until_idle(operator)
        operator.queue.add(Key(api.namespace, NAME), Trigger.AGENT)
        await cluster.wait_until_idle(operator)
        assert (await agent.deployment()) == before
        assert (await agent.status())["rollout"]["canary"]["phase"] == "Paused"
        await agent.submit(command)
        await agent.wait_for(promoted if command == "promote" else returned)
        await cluster.wait_until_idle(operator)
        await agent.assert_finished(kept=1)


async def test_a_deleted_config_is_recreated(agent: Agent) -> None:
    api = agent.cluster.api
    async with agent.paused_canary() as operator:
        volumes = (await agent.deployment())["template"]["spec"]["volumes"]
        name = next(volume["configMap"]["name"] for volume in volumes if "configMap" in volume)
        before = await api.get("ConfigMap", name) or {}
        await api.delete("ConfigMap", name)

        async def recreated() -> Any:
            found = await api.get("ConfigMap", name)
            return found and found["metadata"]["uid"] != before["metadata"]["uid"] and found

        assert (await wait_until(recreated))["data"] == before["data"]
        await agent.submit("abort")
        await agent.wait_until_finished(operator, returned)


async def test_a_repeated_rollback_command_returns_to_the_same_revision(agent: Agent) -> None:
    """A GitOps tool sets the annotation again each time that the operator removes it."""
    cluster = agent.cluster
    async with cluster.operator() as operator:
        await cluster.api.apply_agent(**ONE)
        await cluster.wait_until_converged(operator)
        await cluster.api.apply_agent(**TWO)
        await agent.wait_for(promoted)
        await cluster.wait_until_converged(operator)
        await agent.submit("rollback")
        first = await agent.wait_until_finished(operator, returned)
        for _ in range(2):
            await agent.submit("rollback")
            again = await agent.wait_until_finished(operator, returned)
            assert again["revision"] == first["revision"]
