"""Leader election with an in-memory Lease."""

import asyncio
from typing import Any

import pytest

from agent_operator.kube import leader_election
from agent_operator.kube.fence import Fence
from agent_operator.kube.heartbeat import Heartbeat
from agent_operator.kube.leader_election import LeaderElector, LeadershipLost
from agent_operator.kube.transport import ApiError
from tests.clock import ManualClock


class FakeCluster:
    """A Cluster with one Lease. It rejects a write with a stale resourceVersion."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.error: ApiError | None = None

    async def find_lease(self, _namespace: str, _name: str) -> dict[str, Any] | None:
        if self.error:
            raise self.error
        return self.lease

    async def write_lease(self, lease: dict[str, Any]) -> dict[str, Any]:
        current = self.lease["metadata"]["resourceVersion"] if self.lease else None
        if lease["metadata"].get("resourceVersion") != current:
            raise ApiError(409, "Conflict", "")
        if lease["spec"].get("holderIdentity") == "":
            raise ApiError(422, "Invalid", "spec.holderIdentity: must not be empty")
        meta = lease["metadata"] | {"resourceVersion": str(int(current or 0) + 1)}
        self.lease = lease | {"metadata": meta}
        return self.lease


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def candidate(cluster: Any, clock: ManualClock, identity: str) -> LeaderElector:
    return LeaderElector(cluster, "ns", "lease", identity, Fence(clock), Heartbeat("the Lease", clock))


def holder(cluster: FakeCluster) -> str:
    assert cluster.lease is not None
    return str(cluster.lease["spec"].get("holderIdentity", ""))


async def test_first_candidate_leads_and_second_waits(cluster: FakeCluster, clock: ManualClock) -> None:
    assert await candidate(cluster, clock, "a")._try_acquire_or_renew()
    assert not await candidate(cluster, clock, "b")._try_acquire_or_renew()
    assert holder(cluster) == "a"


async def test_expired_lease_is_acquired(cluster: FakeCluster, clock: ManualClock) -> None:
    """The Lease expires by the clock of the waiting candidate. The transition is counted."""
    first, second = candidate(cluster, clock, "a"), candidate(cluster, clock, "b")
    await first._try_acquire_or_renew()
    assert not await second._try_acquire_or_renew()
    clock.now = leader_election.DURATION - 1
    assert not await second._try_acquire_or_renew()
    clock.now = leader_election.DURATION
    assert await second._try_acquire_or_renew()
    assert holder(cluster) == "b"
    assert cluster.lease is not None
    assert cluster.lease["spec"]["leaseTransitions"] == 1


async def test_renewal_extends_the_lease(cluster: FakeCluster, clock: ManualClock) -> None:
    first, second = candidate(cluster, clock, "a"), candidate(cluster, clock, "b")
    await first._try_acquire_or_renew()
    await second._try_acquire_or_renew()
    clock.now = leader_election.DURATION - 1
    await first._try_acquire_or_renew()
    assert not await second._try_acquire_or_renew()
    clock.now = leader_election.DURATION + 1
    assert not await second._try_acquire_or_renew()


async def test_released_lease_is_acquired_immediately(cluster: FakeCluster, clock: ManualClock) -> None:
    first = candidate(cluster, clock, "a")
    await first._try_acquire_or_renew()
    await first.release()
    assert cluster.lease is not None
    assert "holderIdentity" not in cluster.lease["spec"]  # Kubernetes rejects an empty one
    assert await candidate(cluster, clock, "b")._try_acquire_or_renew()


async def test_leader_steps_down_if_another_holds_the_lease(cluster: FakeCluster, clock: ManualClock) -> None:
    first = candidate(cluster, clock, "a")
    await first._try_acquire_or_renew()
    assert cluster.lease is not None
    cluster.lease["spec"] |= {"holderIdentity": "b"}
    with pytest.raises(LeadershipLost):
        await first._try_acquire_or_renew()
    await first.release()
    assert holder(cluster) == "b"


async def test_leader_steps_down_after_the_renew_deadline(
    cluster: FakeCluster, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Lease may have expired for another candidate."""
    first = candidate(cluster, clock, "a")
    await first._try_acquire_or_renew()
    cluster.error = ApiError(0, "Unreachable", "")

    async def pass_time(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(asyncio, "sleep", pass_time)
    with pytest.raises(LeadershipLost):
        await first.renew()
    assert clock.now == leader_election.DEADLINE
    assert not first._fence.is_open


async def test_the_fence_is_open_from_an_acquisition_until_the_renew_deadline(
    cluster: FakeCluster, clock: ManualClock
) -> None:
    """Other candidates take over at the earliest after the duration of the Lease, which is longer."""
    first, second = candidate(cluster, clock, "a"), candidate(cluster, clock, "b")
    assert not first._fence.is_open
    await first._try_acquire_or_renew()
    await second._try_acquire_or_renew()
    clock.now = leader_election.DEADLINE - 0.1
    assert first._fence.is_open
    assert not second._fence.is_open
    clock.now = leader_election.DEADLINE
    assert not first._fence.is_open
    await first._try_acquire_or_renew()
    assert first._fence.is_open
    await first.release()
    assert not first._fence.is_open


async def test_the_time_of_a_slow_renewal_does_not_extend_the_deadline(
    cluster: FakeCluster, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = candidate(cluster, clock, "a")
    write = cluster.write_lease

    async def slow(lease: dict[str, Any]) -> dict[str, Any]:
        clock.now += 4
        return await write(lease)

    monkeypatch.setattr(cluster, "write_lease", slow)
    await first._try_acquire_or_renew()
    clock.now = leader_election.DEADLINE
    assert not first._fence.is_open


async def test_one_of_two_concurrent_candidates_wins(cluster: FakeCluster, clock: ManualClock) -> None:
    first, second = candidate(cluster, clock, "a"), candidate(cluster, clock, "b")
    writes = first._lease_to_write(None), second._lease_to_write(None)
    await cluster.write_lease(writes[0])
    with pytest.raises(ApiError):
        await cluster.write_lease(writes[1])
    assert not await second._try_acquire_or_renew()


async def test_lease_is_released_after_a_renewal_without_a_response(cluster: FakeCluster, clock: ManualClock) -> None:
    """Shutdown cancels a renewal that the API server has written, so the known version is stale."""
    first = candidate(cluster, clock, "a")
    await first._try_acquire_or_renew()
    await cluster.write_lease(first._lease_to_write(cluster.lease))
    await first.release()
    assert holder(cluster) == ""
