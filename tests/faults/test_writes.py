"""Inject any fault into any write: the end state is that of a run without faults, and no object is created twice."""

import asyncio
from typing import Any

import pytest

from tests.faults.cluster import NAME, Cluster, EndState
from tests.faults.proxy import Mode
from tests.polling import wait_until

SPEC: dict[str, Any] = {
    "replicas": 2,
    "ingress": {"host": "a.example.com"},
    "credentials": {"values": {"OPENAI_API_KEY": "none"}},
}
EDITED: dict[str, Any] = {
    "replicas": 3,
    "service": {"port": 8080},
    "systemPrompt": {"text": "Be brief."},
    "monitoring": {"serviceMonitor": {"enabled": False}},
}
KILLS = (Mode.KILL_BEFORE, Mode.KILL_AFTER)


@pytest.fixture(scope="module")
def references() -> dict[str, EndState]:
    """End states of runs without faults, computed on first use."""
    return {}


async def create(cluster: Cluster, mode: Mode | None) -> EndState:
    cluster.proxy.every = mode
    await cluster.api.apply_agent(**SPEC)
    await until_at_rest(cluster)
    return await cluster.end_state()


async def edit(cluster: Cluster, mode: Mode | None) -> EndState:
    async with cluster.operator() as operator:
        await cluster.api.apply_agent(**SPEC)
        await cluster.wait_until_converged(operator)
        cluster.proxy.reset()
        cluster.proxy.every = mode
        await cluster.api.apply_agent(**EDITED)
        if mode in KILLS:
            await cluster.proxy.killed.wait()
        else:
            await cluster.wait_until_converged(operator)
    await until_at_rest(cluster)
    return await cluster.end_state()


async def delete(cluster: Cluster, mode: Mode | None) -> EndState:
    """Delete an agent with its own namespace."""
    own = f"{cluster.api.namespace}-own"
    async with cluster.operator(namespaces=()) as operator:
        await cluster.api.apply_agent(namespace={"name": own})
        await cluster.wait_until_converged(operator)
    cluster.proxy.reset()
    cluster.proxy.every = mode
    await cluster.api.delete("AgentDeployment", NAME)

    async def gone() -> bool:
        agent = await cluster.api.get("AgentDeployment", NAME)
        return agent is None and await cluster.api.get("Namespace", own) is None

    while not await gone():
        async with cluster.operator(namespaces=()):
            ended = asyncio.create_task(wait_until(gone))
            killed = asyncio.create_task(cluster.proxy.killed.wait())
            await asyncio.wait({ended, killed}, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            killed.cancel()
    return await cluster.end_state()


async def until_at_rest(cluster: Cluster) -> None:
    """Start operators until one is not killed."""
    while True:
        async with cluster.operator() as operator:
            if await cluster.converges(operator):
                return


# An edit gets every fault; creation and deletion get those that hide the result of a write from the operator.
UNSEEN = {Mode.KILL_BEFORE, Mode.KILL_AFTER, Mode.DROP}
BROKEN = [
    pytest.param(scenario, mode, marks=() if scenario is edit or mode in UNSEEN else pytest.mark.campaign)
    for scenario in (create, edit, delete)
    for mode in Mode
]


@pytest.mark.parametrize(("scenario", "mode"), BROKEN)
async def test_the_operator_converges_when_any_write_fails(
    cluster: Cluster, references: dict[str, EndState], scenario: Any, mode: Mode
) -> None:
    if scenario.__name__ not in references:
        references[scenario.__name__] = await scenario(cluster, None)
        await cluster.use_new_namespace()

    end, expected = await scenario(cluster, mode), references[scenario.__name__]
    assert end.status == expected.status
    assert end.children == expected.children
    assert (end.created, end.deleted) == (expected.created, expected.deleted)
