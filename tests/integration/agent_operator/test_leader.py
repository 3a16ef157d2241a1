"""Only one of several replicas reconciles; when it stops, another takes over."""

import asyncio
from typing import Any

import pytest

from agent_operator.kube import leader_election
from tests.integration.agent_operator.cluster import Cluster
from tests.patience import DEADLINE
from tests.polling import wait_until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # No test waits for a Lease to expire, and the leader must not miss its renewal on a busy machine.
    monkeypatch.setattr(leader_election, "DURATION", 3 * DEADLINE)
    monkeypatch.setattr(leader_election, "DEADLINE", 2 * DEADLINE)
    monkeypatch.setattr(leader_election, "RETRY", 0.2)


async def _leading(controller: Any) -> bool:
    return bool(controller.metrics.leader._value.get() == 1)


async def test_a_ready_standby_takes_over_a_released_lease(cluster: Cluster) -> None:
    from agent_operator.manager import Manager  # noqa: PLC0415  (after the patch of its times)

    first = Manager(cluster.settings(leader_election=True, identity="first"))
    second = Manager(cluster.settings(leader_election=True, identity="second"))
    stops = asyncio.Event(), asyncio.Event()
    tasks = [asyncio.create_task(first.run(stops[0]))]
    await wait_until(lambda: _leading(first))
    tasks.append(asyncio.create_task(second.run(stops[1])))
    await asyncio.sleep(1)
    assert not await _leading(second)
    assert list(second._health_checks.unready()) == []
    stops[0].set()
    await tasks[0]
    await wait_until(lambda: _leading(second))
    await cluster.api.apply_agent()
    await cluster.api.wait_for_reason("ConfigValid", "Valid")
    stops[1].set()
    await tasks[1]


async def test_a_leader_stops_when_it_loses_the_lease(cluster: Cluster) -> None:
    from agent_operator.manager import Manager  # noqa: PLC0415  (after the patch of its times)

    controller = Manager(cluster.settings(leader_election=True, identity="first"))
    task = asyncio.create_task(controller.run(asyncio.Event()))
    await wait_until(lambda: _leading(controller))
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{cluster.api.namespace}/leases/agent-operator"
    lease_object = await cluster.api.call("GET", lease)
    lease_object["spec"] |= {"holderIdentity": "usurper"}
    await cluster.api.call("PUT", lease, body=lease_object)
    with pytest.raises(leader_election.LeadershipLost):
        await task
