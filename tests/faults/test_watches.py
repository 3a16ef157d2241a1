"""Watches and lists that fail as API servers and load balancers make them fail."""

import aiohttp
import kopf
import pytest

from agent_operator.kube import informer, kopf_settings, transport
from agent_operator.kube.objects import Key
from tests.faults.cluster import NAME, Cluster
from tests.faults.gates import Gate
from tests.faults.watches import AGENTS, CHILDREN, force_relist, set_gate, wait_for_deleted_children, wait_for_port
from tests.polling import wait_until


@pytest.mark.parametrize("gate", [Gate.HOLD, Gate.LAG, Gate.TWICE, Gate.BOOKMARKS, Gate.LOSE])
async def test_an_edit_is_reconciled_once_when_events_are_late_duplicate_or_lost(cluster: Cluster, gate: Gate) -> None:
    """The end state is the same, and no object is created twice."""
    async with cluster.operator() as operator:
        await cluster.api.apply_agent()
        await cluster.wait_until_converged(operator)
        set_gate(cluster, gate)
        await cluster.api.apply_agent(service={"port": 8080})
        await cluster.api.merge(
            "Service", NAME, {"metadata": {"annotations": {"agent-operator.dev/manifest-hash": "x"}}}
        )
        if gate is Gate.LAG:
            for number in range(3):
                await cluster.api.merge("AgentDeployment", NAME, {"metadata": {"annotations": {"n": str(number)}}})
        if gate in (Gate.LAG, Gate.TWICE, Gate.BOOKMARKS):
            await wait_for_port(cluster, 8080)
        cluster.proxy.open()
        await wait_for_port(cluster, 8080)
        await cluster.wait_until_converged(operator)
        end = await cluster.end_state()
    assert set(end.created.values()) == {1}
    assert end.deleted == set()


async def test_watches_recover_from_repeated_410_responses(cluster: Cluster) -> None:
    """Every watch expires many times. The operator writes nothing meanwhile, and reconciles a later edit."""
    async with cluster.operator() as operator:
        await cluster.api.apply_agent()
        await cluster.wait_until_converged(operator)
        set_gate(cluster, Gate.GONE)
        cluster.proxy.cut()
        before = len(cluster.proxy.writes)

        async def all_expired() -> bool:
            return all(cluster.proxy.watches[plural] > 4 for plural in (AGENTS, *CHILDREN))

        await wait_until(all_expired)
        assert len(cluster.proxy.writes) == before
        await cluster.api.apply_agent(service={"port": 8080})
        cluster.proxy.open()
        await wait_for_port(cluster, 8080)
        await cluster.wait_until_converged(operator)


async def test_a_watch_that_ends_at_once_is_restarted_with_a_delay(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(informer, "_SHORTEST_WATCH", 3600.0)
    async with cluster.operator() as operator:
        await cluster.api.apply_agent()
        await cluster.wait_until_converged(operator)
        cluster.proxy.watches.clear()
        cluster.proxy.gates = dict.fromkeys(CHILDREN, Gate.CLOSE)
        cluster.proxy.cut()

        async def all_requested() -> bool:
            return all(cluster.proxy.watches[plural] for plural in CHILDREN)

        await wait_until(all_requested)
        await cluster.api.apply_agent(service={"port": 8080})
        await wait_for_port(cluster, 8080)
        assert max(cluster.proxy.watches[plural] for plural in CHILDREN) == 1


@pytest.fixture
def short_inactivity_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch without data for half a second is restarted."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=0.5)
    monkeypatch.setattr(transport, "_STREAM_TIMEOUT", timeout)
    product_settings = kopf_settings.settings

    def settings() -> kopf.OperatorSettings:
        changed = product_settings()
        changed.watching.inactivity_timeout = 0.5
        return changed

    monkeypatch.setattr(kopf_settings, "settings", settings)


@pytest.mark.usefixtures("short_inactivity_timeouts")
async def test_a_silent_watch_is_restarted_from_the_last_resource_version(cluster: Cluster) -> None:
    async with cluster.operator() as operator:
        await cluster.api.apply_agent()
        await cluster.wait_until_converged(operator)
        set_gate(cluster, Gate.SILENT)
        await cluster.api.apply_agent(service={"port": 8080})
        await cluster.api.delete("NetworkPolicy", NAME)
        cluster.proxy.gates.clear()  # the open watches stay silent, new ones do not
        await wait_for_port(cluster, 8080)

        async def repaired() -> bool:
            return await cluster.api.get("NetworkPolicy", NAME) is not None

        await wait_until(repaired)
        await cluster.wait_until_converged(operator)


async def test_an_agent_recreated_during_missed_events_gets_new_children(cluster: Cluster) -> None:
    """The operator observes neither the deletion nor the creation."""
    async with cluster.operator() as operator:
        await cluster.api.apply_agent()
        await cluster.wait_until_converged(operator)
        set_gate(cluster, Gate.LOSE)
        await cluster.api.delete("AgentDeployment", NAME)
        await wait_for_deleted_children(cluster)
        recreated = await cluster.api.apply_agent(service={"port": 8080})
        await force_relist(cluster)
        await cluster.wait_until_converged(operator)
        children = await cluster.api.children()
    assert {child["metadata"]["labels"]["agent-operator.dev/owner-uid"] for child in children.values()} == {
        recreated["metadata"]["uid"]
    }


async def test_an_agent_created_and_deleted_during_missed_events_gets_no_children(cluster: Cluster) -> None:
    async with cluster.operator() as operator:
        await cluster.api.apply_agent("other")
        await cluster.wait_until_converged(operator, "other")
        before = list(cluster.proxy.writes)
        cluster.proxy.gates = {AGENTS: Gate.LOSE}
        await cluster.api.apply_agent()
        await cluster.api.delete("AgentDeployment", NAME)
        await force_relist(cluster)
        await cluster.wait_until_converged(operator, "other")
        assert cluster.proxy.writes == before
        assert await cluster.api.children() == {}


async def test_children_are_not_recreated_when_the_deletion_of_the_agent_was_missed(cluster: Cluster) -> None:
    """The operator observes only the deletion of the children."""
    async with cluster.operator() as operator:
        await cluster.api.apply_agent()
        await cluster.wait_until_converged(operator)
        cluster.proxy.gates = {AGENTS: Gate.LOSE}
        await cluster.api.delete("AgentDeployment", NAME)
        await wait_for_deleted_children(cluster)
        await force_relist(cluster)

        async def forgotten() -> bool:
            return operator.store.agent(Key(cluster.api.namespace, NAME)) is None

        await wait_until(forgotten)
        await cluster.wait_until_idle(operator)
        assert set((await cluster.end_state()).created.values()) == {1}


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "edited"])
async def test_a_restart_from_a_stale_list_reverts_nothing(cluster: Cluster, deleted: bool) -> None:
    """The new process lists from an API server that lags behind. It must not write the state of the past."""
    async with cluster.operator() as operator:
        await cluster.api.apply_agent(replicas=2)
        await cluster.wait_until_converged(operator)
    async with cluster.operator() as operator:  # its lists become the stale ones
        await cluster.wait_until_converged(operator)
    old = dict(cluster.proxy.lists)
    async with cluster.operator() as operator:
        if deleted:
            await cluster.api.delete("AgentDeployment", NAME)
            await wait_for_deleted_children(cluster)
            await cluster.wait_until_idle(operator)
        else:
            await cluster.api.apply_agent(replicas=3, ingress={"host": "a.example.com"})
            await cluster.wait_until_converged(operator)
    now = {key: child["metadata"]["resourceVersion"] for key, child in (await cluster.api.children()).items()}
    cluster.proxy.writes.clear()
    cluster.proxy.stale = {path: body for path, body in old.items() if path.endswith(AGENTS)}
    cluster.proxy.gates = {AGENTS: Gate.HOLD}
    async with cluster.operator() as operator:

        async def reconciled() -> bool:
            return operator.queue._failures.get(Key(cluster.api.namespace, NAME), 0) > 2 or bool(cluster.proxy.writes)

        if deleted:
            await cluster.wait_until_idle(operator)
        else:
            await wait_until(reconciled)
        children = await cluster.api.children()
        assert {key: child["metadata"]["resourceVersion"] for key, child in children.items()} == now
        assert cluster.proxy.writes == []
        cluster.proxy.stale.clear()
        cluster.proxy.open()
        if not deleted:
            await cluster.wait_until_converged(operator)
    assert [write for write in cluster.proxy.writes if not write.path.endswith("/status")] == []
