"""Break watches and lists, as API servers and what stands before them do: the operator finds its way back."""

import asyncio

import aiohttp
import kopf
import pytest

from agent_operator.kube import agent_watch, informer, transport
from agent_operator.kube.objects import Key
from agent_operator.kube.workqueue import Trigger
from tests.faults.conftest import NAME, World, install
from tests.faults.gates import Gate
from tests.integration.agent_operator.conftest import CRDS, until

AGENTS = "agentdeployments"
CHILDREN = ("serviceaccounts", "configmaps", "networkpolicies", "services", "poddisruptionbudgets", "deployments")
CRD_PATH = f"{CRDS}/agentdeployments.agent-operator.dev"


async def port_is(world: World, port: int) -> None:
    """Wait until the Service has this port."""

    async def look() -> bool:
        service = await world.api.get("Service", NAME)
        return service is not None and service["spec"]["ports"][0]["port"] == port

    await until(look)


async def children_are_gone(world: World) -> None:
    async def look() -> bool:
        return await world.api.children() == {}

    await until(look)


async def list_anew(world: World) -> None:
    """Have all watches end with 410, so that what happened meanwhile is not told, and open them."""
    world.proxy.gates = dict.fromkeys((AGENTS, *CHILDREN), Gate.GONE)
    world.proxy.watches.clear()
    world.proxy.cut()

    async def asked() -> bool:
        return all(world.proxy.watches[plural] for plural in (AGENTS, *CHILDREN))

    await until(asked)
    world.proxy.open()


def close_all(world: World, gate: Gate) -> None:
    world.proxy.gates = dict.fromkeys((AGENTS, *CHILDREN), gate)


@pytest.mark.parametrize("gate", [Gate.HOLD, Gate.LAG, Gate.TWICE, Gate.BOOKMARKS, Gate.LOSE])
async def test_whatever_a_watch_does_an_edit_arrives(world: World, gate: Gate) -> None:
    """Late, twice or lost, but told of again: the end is the same, and nothing was made twice."""
    async with world.operator() as operator:
        await world.api.agent()
        await world.at_rest(operator)
        close_all(world, gate)
        await world.api.agent(service={"port": 8080})
        await world.api.merge("Service", NAME, {"metadata": {"annotations": {"agent-operator.dev/manifest-hash": "x"}}})
        if gate is Gate.LAG:
            for number in range(3):
                await world.api.merge("AgentDeployment", NAME, {"metadata": {"annotations": {"n": str(number)}}})
        if gate in (Gate.LAG, Gate.TWICE, Gate.BOOKMARKS):
            await port_is(world, 8080)
        world.proxy.open()
        await port_is(world, 8080)
        await world.at_rest(operator)
        end = await world.end()
    assert set(end.created.values()) == {1}
    assert end.deleted == set()


async def test_a_410_storm_passes(world: World) -> None:
    """Every watch is too old at once, many times: no flood of requests, and news after it arrives."""
    async with world.operator() as operator:
        await world.api.agent()
        await world.at_rest(operator)
        close_all(world, Gate.GONE)
        world.proxy.cut()
        before = len(world.proxy.writes)

        async def stormed() -> bool:
            return all(world.proxy.watches[plural] > 4 for plural in (AGENTS, *CHILDREN))

        await until(stormed)
        assert len(world.proxy.writes) == before
        await world.api.agent(service={"port": 8080})
        world.proxy.open()
        await port_is(world, 8080)
        await world.at_rest(operator)


async def test_a_watch_that_always_ends_at_once_is_not_asked_for_again_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(informer, "_SHORTEST_WATCH", 3600.0)
    async with world.operator() as operator:
        await world.api.agent()
        await world.at_rest(operator)
        world.proxy.watches.clear()
        world.proxy.gates = dict.fromkeys(CHILDREN, Gate.CLOSE)
        world.proxy.cut()

        async def asked() -> bool:
            return all(world.proxy.watches[plural] for plural in CHILDREN)

        await until(asked)
        await world.api.agent(service={"port": 8080})
        await port_is(world, 8080)
        assert max(world.proxy.watches[plural] for plural in CHILDREN) == 1


@pytest.fixture
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that are silent for half a second are taken for dead."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=0.5)
    monkeypatch.setattr(transport, "_STREAM_TIMEOUT", timeout)
    patient = agent_watch.settings

    def settings() -> kopf.OperatorSettings:
        chosen = patient()
        chosen.watching.inactivity_timeout = 0.5
        return chosen

    monkeypatch.setattr(agent_watch, "settings", settings)


@pytest.mark.usefixtures("attentive")
async def test_a_silent_watch_is_given_up_and_misses_nothing(world: World) -> None:
    async with world.operator() as operator:
        await world.api.agent()
        await world.at_rest(operator)
        close_all(world, Gate.SILENT)
        await world.api.agent(service={"port": 8080})
        await world.api.delete("NetworkPolicy", NAME)
        world.proxy.gates.clear()  # what is silent stays so; what is asked for anew is not
        await port_is(world, 8080)

        async def repaired() -> bool:
            return await world.api.get("NetworkPolicy", NAME) is not None

        await until(repaired)
        await world.at_rest(operator)


async def test_an_agent_made_anew_unseen_gets_children_of_its_own(world: World) -> None:
    """It was deleted and made anew while no watch was looking."""
    async with world.operator() as operator:
        await world.api.agent()
        await world.at_rest(operator)
        close_all(world, Gate.LOSE)
        await world.api.delete("AgentDeployment", NAME)
        await children_are_gone(world)
        made = await world.api.agent(service={"port": 8080})
        await list_anew(world)
        await world.at_rest(operator)
        children = await world.api.children()
    assert {child["metadata"]["labels"]["agent-operator.dev/owner-uid"] for child in children.values()} == {
        made["metadata"]["uid"]
    }


async def test_an_agent_that_came_and_went_unseen_leaves_nothing(world: World) -> None:
    async with world.operator() as operator:
        await world.api.agent("other")
        await world.at_rest(operator, "other")
        before = list(world.proxy.writes)
        world.proxy.gates = {AGENTS: Gate.LOSE}
        await world.api.agent()
        await world.api.delete("AgentDeployment", NAME)
        await list_anew(world)
        await world.at_rest(operator, "other")
        assert world.proxy.writes == before
        assert await world.api.children() == {}


async def test_nothing_is_made_for_an_agent_whose_deletion_was_missed(world: World) -> None:
    """Its children are seen to go; that is no reason to make them anew."""
    async with world.operator() as operator:
        await world.api.agent()
        await world.at_rest(operator)
        world.proxy.gates = {AGENTS: Gate.LOSE}
        await world.api.delete("AgentDeployment", NAME)
        await children_are_gone(world)
        await list_anew(world)

        async def forgotten() -> bool:
            return operator.store.agent(Key(world.api.namespace, NAME)) is None

        await until(forgotten)
        await world.idle(operator)
        assert set((await world.end()).created.values()) == {1}


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "edited"])
async def test_a_restart_on_an_old_view_turns_no_time_back(world: World, deleted: bool) -> None:
    """The new process reads from an API server that is behind: it must not write what was true then."""
    async with world.operator() as operator:
        await world.api.agent(replicas=2)
        await world.at_rest(operator)
    async with world.operator() as operator:  # its lists are the old ones
        await world.at_rest(operator)
    old = dict(world.proxy.lists)
    async with world.operator() as operator:
        if deleted:
            await world.api.delete("AgentDeployment", NAME)
            await children_are_gone(world)
            await world.idle(operator)
        else:
            await world.api.agent(replicas=3, ingress={"host": "a.example.com"})
            await world.at_rest(operator)
    now = {key: child["metadata"]["resourceVersion"] for key, child in (await world.api.children()).items()}
    world.proxy.writes.clear()
    world.proxy.stale = {path: body for path, body in old.items() if path.endswith(AGENTS)}
    world.proxy.gates = {AGENTS: Gate.HOLD}
    async with world.operator() as operator:

        async def looked() -> bool:
            return operator.queue._failures.get(Key(world.api.namespace, NAME), 0) > 2 or bool(world.proxy.writes)

        if deleted:
            await world.idle(operator)
        else:
            await until(looked)
        children = await world.api.children()
        assert {key: child["metadata"]["resourceVersion"] for key, child in children.items()} == now
        assert world.proxy.writes == []
        world.proxy.stale.clear()
        world.proxy.open()
        if not deleted:
            await world.at_rest(operator)
    assert [write for write in world.proxy.writes if not write.path.endswith("/status")] == []


async def test_the_api_server_goes_and_comes_back(world: World) -> None:
    async with world.operator() as operator:
        await world.api.agent()
        await world.at_rest(operator)
        world.proxy.down = True
        world.proxy.cut()
        await world.api.agent(service={"port": 8080})
        operator.queue.add(Key(world.api.namespace, NAME), Trigger.AGENT)
        await asyncio.sleep(0.5)
        world.proxy.down = False
        await port_is(world, 8080)
        await world.at_rest(operator)
        assert set((await world.end()).created.values()) == {1}


async def test_an_api_server_in_trouble_does_not_end_the_operator(world: World) -> None:
    """Its watch of agents is answered with an error that kopf takes for the end."""
    async with world.operator() as operator:
        await world.api.agent()
        await world.at_rest(operator)
        world.proxy.gates = {AGENTS: Gate.ERROR}
        world.proxy.watches.clear()
        world.proxy.cut()

        async def tried() -> bool:
            return world.proxy.watches[AGENTS] > 1

        await until(tried)
        world.proxy.open()
        await world.api.agent(service={"port": 8080})
        await port_is(world, 8080)
        await world.at_rest(operator)


async def test_the_crd_goes_and_comes_back(world: World) -> None:
    """With it go the agents and their children. The operator waits for it, and then works as before."""
    async with world.operator() as operator:
        await world.api.agent()
        await world.at_rest(operator)
        await world.api.call("DELETE", CRD_PATH)

        async def gone() -> bool:
            return operator.store.agent(Key(world.api.namespace, NAME)) is None

        await until(gone)
        await children_are_gone(world)
        await install(world.api)
        await world.api.agent(service={"port": 8080})
        await port_is(world, 8080)
        await world.at_rest(operator)
