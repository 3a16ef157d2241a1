"""Break any write, in any way: the operator ends where an undisturbed one ends, and has made nothing twice."""

import asyncio
from typing import Any

import pytest

from tests.faults.conftest import NAME, End, World
from tests.faults.proxy import Mode
from tests.integration.agent_operator.conftest import until

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
def references() -> dict[str, End]:
    """The ends of undisturbed runs, each made when it is first asked for."""
    return {}


async def create(world: World, mode: Mode | None) -> End:
    world.proxy.every = mode
    await world.api.agent(**SPEC)
    await until_at_rest(world)
    return await world.end()


async def edit(world: World, mode: Mode | None) -> End:
    async with world.operator() as operator:
        await world.api.agent(**SPEC)
        await world.at_rest(operator)
        world.proxy.reset()
        world.proxy.every = mode
        await world.api.agent(**EDITED)
        if mode in KILLS:
            await world.proxy.killed.wait()
        else:
            await world.at_rest(operator)
    await until_at_rest(world)
    return await world.end()


async def delete(world: World, mode: Mode | None) -> End:
    """Delete an agent that has a namespace of its own."""
    own = f"{world.api.namespace}-own"
    async with world.operator(namespaces=()) as operator:
        await world.api.agent(namespace={"name": own})
        await world.at_rest(operator)
    world.proxy.reset()
    world.proxy.every = mode
    await world.api.delete("AgentDeployment", NAME)

    async def gone() -> bool:
        agent = await world.api.get("AgentDeployment", NAME)
        return agent is None and await world.api.get("Namespace", own) is None

    while not await gone():
        async with world.operator(namespaces=()):
            ended = asyncio.create_task(until(gone))
            killed = asyncio.create_task(world.proxy.killed.wait())
            await asyncio.wait({ended, killed}, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            killed.cancel()
    return await world.end()


async def until_at_rest(world: World) -> None:
    """Start operators until one is not killed."""
    while True:
        async with world.operator() as operator:
            if await world.ends(operator):
                return


# An edit meets every mode; creation and deletion meet those in which the operator does not learn of its own write.
UNSEEN = {Mode.KILL_BEFORE, Mode.KILL_AFTER, Mode.DROP}
BROKEN = [
    pytest.param(scenario, mode, marks=() if scenario is edit or mode in UNSEEN else pytest.mark.campaign)
    for scenario in (create, edit, delete)
    for mode in Mode
]


@pytest.mark.parametrize(("scenario", "mode"), BROKEN)
async def test_it_converges(world: World, references: dict[str, End], scenario: Any, mode: Mode) -> None:
    if scenario.__name__ not in references:
        references[scenario.__name__] = await scenario(world, None)
        await world.renew()

    end, expected = await scenario(world, mode), references[scenario.__name__]
    assert end.status == expected.status
    assert end.children == expected.children
    assert (end.created, end.deleted) == (expected.created, expected.deleted)
