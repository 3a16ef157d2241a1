"""Only one of several replicas reconciles; when it stops, another takes over."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from agent_operator.kube import leader_election
from agent_operator.kube.transport import ApiError
from agent_operator.manager.manager import Manager
from tests.integration.agent_operator import blocked_leader
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
    controller = Manager(cluster.settings(leader_election=True, identity="first"))
    task = asyncio.create_task(controller.run(asyncio.Event()))
    await wait_until(lambda: _leading(controller))
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{cluster.api.namespace}/leases/agent-operator"
    lease_object = await cluster.api.call("GET", lease)
    lease_object["spec"] |= {"holderIdentity": "usurper"}
    await cluster.api.call("PUT", lease, body=lease_object)
    with pytest.raises(leader_election.LeadershipLost):
        await task


@pytest.fixture
def _short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DURATION", "DEADLINE", "RETRY"):
        monkeypatch.setattr(leader_election, name, getattr(blocked_leader, name))


@pytest.mark.usefixtures("_short_lease")
async def test_a_blocked_leader_keeps_the_lease_until_it_is_killed(cluster: Cluster) -> None:
    """Its event loop is blocked for twice the duration of the Lease. Afterwards it continues to work."""
    seconds = 2 * blocked_leader.DURATION
    async with _leader_and_standby(cluster, seconds) as (leader, standby):
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        leader.send_signal(signal.SIGUSR1)
        await asyncio.sleep(seconds)
        lease = await _lease(cluster)
        assert (lease["holderIdentity"], lease.get("leaseTransitions", 0)) == ("first", 0)
        assert not await _leading(standby)
        await cluster.api.apply_agent("after")
        await cluster.api.wait_for_reason("ConfigValid", "Valid", "after")
        assert not await _leading(standby)
        leader.kill()
        await wait_until(lambda: _leading(standby))
        assert (await _lease(cluster))["leaseTransitions"] == 1
    assert "holderIdentity" not in await _lease(cluster)


@pytest.mark.usefixtures("_short_lease")
async def test_a_suspended_leader_ends_without_a_write_when_it_resumes(cluster: Cluster) -> None:
    """Another replica leads since the Lease expired."""
    async with _leader_and_standby(cluster, 0) as (leader, standby):
        leader.send_signal(signal.SIGSTOP)
        await wait_until(lambda: _leading(standby))
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(standby)
        before = len(cluster.proxy.writes)
        leader.send_signal(signal.SIGCONT)
        async with asyncio.timeout(DEADLINE):
            assert await leader.wait() == 1
        assert len(cluster.proxy.writes) == before
        assert (await _lease(cluster))["holderIdentity"] == "second"


@asynccontextmanager
async def _leader_and_standby(
    cluster: Cluster, seconds: float
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Manager]]:
    """Run a leader as a process, which SIGUSR1 blocks for some seconds, and a standby in this process."""
    script = [sys.executable, "-m", blocked_leader.__name__, str(cluster.kubeconfig), cluster.api.namespace]
    leader = await asyncio.create_subprocess_exec(*script, "first", str(seconds), stderr=asyncio.subprocess.DEVNULL)
    cluster.processes.append(leader)
    await wait_until(lambda: _holder_is(cluster, "first"))
    standby, stop = Manager(cluster.settings(leader_election=True, identity="second")), asyncio.Event()
    task = asyncio.create_task(standby.run(stop))
    try:
        yield leader, standby
    finally:
        stop.set()
        await task


async def _lease(cluster: Cluster) -> dict[str, Any]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{cluster.api.namespace}/leases/agent-operator"
    spec: dict[str, Any] = (await cluster.api.call("GET", path))["spec"]
    return spec


async def _holder_is(cluster: Cluster, identity: str) -> bool:
    with suppress(ApiError):
        return bool((await _lease(cluster)).get("holderIdentity") == identity)
    return False
