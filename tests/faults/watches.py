"""Helpers of the tests of watches and of outages."""

from tests.faults.cluster import NAME, Cluster
from tests.faults.gates import Gate
from tests.polling import wait_until

AGENTS = "agentdeployments"
CHILDREN = ("serviceaccounts", "configmaps", "networkpolicies", "services", "poddisruptionbudgets", "deployments")


async def wait_for_port(cluster: Cluster, port: int) -> None:
    """Wait until the Service has this port."""

    async def has_port() -> bool:
        service = await cluster.api.get("Service", NAME)
        return service is not None and service["spec"]["ports"][0]["port"] == port

    await wait_until(has_port)


async def wait_for_deleted_children(cluster: Cluster) -> None:
    async def deleted() -> bool:
        return await cluster.api.children() == {}

    await wait_until(deleted)


async def force_relist(cluster: Cluster) -> None:
    """End all watches with 410, so that the operator lists again and the events in between are lost."""
    cluster.proxy.gates = dict.fromkeys((AGENTS, *CHILDREN), Gate.GONE)
    cluster.proxy.watches.clear()
    cluster.proxy.cut()

    async def all_requested() -> bool:
        return all(cluster.proxy.watches[plural] for plural in (AGENTS, *CHILDREN))

    await wait_until(all_requested)
    cluster.proxy.open()


def set_gate(cluster: Cluster, gate: Gate) -> None:
    """Inject one fault into the watches of agents and of all children."""
    cluster.proxy.gates = dict.fromkeys((AGENTS, *CHILDREN), gate)
