"""The API server, its watch of agents or the CustomResourceDefinition fails for a while."""

import asyncio

from agent_operator.kube.objects import Key
from agent_operator.kube.workqueue import Trigger
from tests.faults.cluster import NAME, Cluster
from tests.faults.gates import Gate
from tests.faults.watches import AGENTS, wait_for_deleted_children, wait_for_port
from tests.integration.agent_operator.api_client import CRDS, install_crds
from tests.polling import wait_until

CRD_PATH = f"{CRDS}/agentdeployments.agent-operator.dev"


async def test_an_edit_during_an_outage_of_the_api_server_is_reconciled_afterwards(cluster: Cluster) -> None:
    async with cluster.operator() as operator:
        await cluster.api.apply_agent()
        await cluster.wait_until_converged(operator)
        cluster.proxy.down = True
        cluster.proxy.cut()
        await cluster.api.apply_agent(service={"port": 8080})
        operator.queue.add(Key(cluster.api.namespace, NAME), Trigger.AGENT)
        await asyncio.sleep(0.5)
        cluster.proxy.down = False
        await wait_for_port(cluster, 8080)
        await cluster.wait_until_converged(operator)
        assert set((await cluster.end_state()).created.values()) == {1}


async def test_an_error_event_in_the_watch_of_agents_does_not_stop_the_operator(cluster: Cluster) -> None:
    """Kopf stops on an error event that is not 410."""
    async with cluster.operator() as operator:
        await cluster.api.apply_agent()
        await cluster.wait_until_converged(operator)
        cluster.proxy.gates = {AGENTS: Gate.ERROR}
        cluster.proxy.watches.clear()
        cluster.proxy.cut()

        async def tried() -> bool:
            return cluster.proxy.watches[AGENTS] > 1

        await wait_until(tried)
        cluster.proxy.open()
        await cluster.api.apply_agent(service={"port": 8080})
        await wait_for_port(cluster, 8080)
        await cluster.wait_until_converged(operator)


async def test_agents_are_reconciled_after_their_crd_is_deleted_and_created_again(cluster: Cluster) -> None:
    """The API server deletes the agents and their children with the CustomResourceDefinition."""
    async with cluster.operator() as operator:
        await cluster.api.apply_agent()
        await cluster.wait_until_converged(operator)
        await cluster.api.call("DELETE", CRD_PATH)

        async def gone() -> bool:
            return operator.store.agent(Key(cluster.api.namespace, NAME)) is None

        await wait_until(gone)
        await wait_for_deleted_children(cluster)
        await install_crds(cluster.api)
        await cluster.api.apply_agent(service={"port": 8080})
        await wait_for_port(cluster, 8080)
        await cluster.wait_until_converged(operator)
