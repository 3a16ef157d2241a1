"""Agents of one namespace do not delay those of another."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent_operator.kube.objects import Key
from agent_operator.kube.workqueue import Trigger
from agent_operator.manager.manager import Manager
from tests.integration.agent_operator.api_client import ApiClient
from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

WORKERS = 4


@pytest.fixture
async def busy(cluster: Cluster) -> AsyncIterator[ApiClient]:
    """A second namespace, for the tenant with many agents."""
    api = ApiClient(cluster.api.transport, f"{cluster.api.namespace}-busy")
    await api.create("Namespace", {"metadata": {"name": api.namespace}})
    yield api
    await api.delete("Namespace", api.namespace)


async def create_many(busy: ApiClient, number: int) -> None:
    for first in range(0, number, 20):
        names = [f"many-{index}" for index in range(first, min(first + 20, number))]
        await asyncio.gather(*(busy.apply_agent(name, replicas=0) for name in names))


async def test_one_agent_is_reconciled_while_another_namespace_has_200_waiting(
    cluster: Cluster, busy: ApiClient
) -> None:
    """Its status is written after at most a few passes over the others, counted by their writes of a status."""
    namespaces = (cluster.api.namespace, busy.namespace)
    await create_many(busy, 200)
    async with cluster.operator(namespaces=namespaces, workers=WORKERS) as operator:
        await wait_until(lambda: _is_deep(operator, 150))
        queued = _writes_when_queued(operator, cluster, Key(cluster.api.namespace, "support"))
        await cluster.api.apply_agent(replicas=0)
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        writes = list(cluster.proxy.status_writes)
        own = next(index for index, write in enumerate(writes) if f"/{cluster.api.namespace}/" in write)
        assert operator.queue.depth > 50
        assert own - queued[0] <= 4 * WORKERS


async def test_requests_that_hang_for_one_namespace_do_not_delay_another(cluster: Cluster, busy: ApiClient) -> None:
    """As with an admission webhook that does not answer. The namespace gets all workers but one."""
    await create_many(busy, 20)
    cluster.proxy.hanging = f"/{busy.namespace}/"
    async with cluster.operator(namespaces=(cluster.api.namespace, busy.namespace), workers=WORKERS) as operator:
        workers = operator._workers
        assert workers is not None
        await wait_until(lambda: _is_deep(operator, 20 - WORKERS + 1))
        for name in ("first", "second", "third"):
            await cluster.api.apply_agent(name, replicas=0)
            await cluster.api.wait_for_reason("ConfigValid", "Valid", name)
        assert len([key for key in workers._busy if key.namespace == busy.namespace]) >= WORKERS - 1
        cluster.proxy.released.set()


async def _is_deep(operator: Manager, depth: int) -> bool:
    return operator.queue.depth >= depth


def _writes_when_queued(operator: Manager, cluster: Cluster, expected: Key) -> list[int]:
    """Record the number of writes of a status at the time when an agent is queued."""
    found: list[int] = []
    add = operator.queue.add

    def recorded(key: Key, trigger: Trigger) -> None:
        if key == expected:
            found.append(len(cluster.proxy.status_writes))
        add(key, trigger)

    operator.queue.add = recorded  # type: ignore[method-assign]
    return found
