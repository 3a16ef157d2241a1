"""Leader election, against a Lease that lives in a list."""

import asyncio
from typing import Any

import pytest

from agent_operator.kube import leader_election
from agent_operator.kube.leader_election import LeaderElector, LeadershipLost
from agent_operator.kube.transport import ApiError


class Leases:
    """A Cluster that knows one Lease, and refuses what is written on an old version of it."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.error: ApiError | None = None

    async def find_lease(self, _namespace: str, _name: str) -> dict[str, Any] | None:
        if self.error:
            raise self.error
        return self.lease

    async def write_lease(self, lease: dict[str, Any]) -> dict[str, Any]:
        known = self.lease["metadata"]["resourceVersion"] if self.lease else None
        if lease["metadata"].get("resourceVersion") != known:
            raise ApiError(409, "Conflict", "")
        if lease["spec"].get("holderIdentity") == "":
            raise ApiError(422, "Invalid", "spec.holderIdentity: must not be empty")
        meta = lease["metadata"] | {"resourceVersion": str(int(known or 0) + 1)}
        self.lease = lease | {"metadata": meta}
        return self.lease


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def leases() -> Leases:
    return Leases()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def elector(leases: Any, clock: Clock, identity: str) -> LeaderElector:
    return LeaderElector(leases, "ns", "lease", identity, clock)


def holder(leases: Leases) -> str:
    assert leases.lease is not None
    return str(leases.lease["spec"].get("holderIdentity", ""))


async def test_the_first_leads_and_the_second_waits(leases: Leases, clock: Clock) -> None:
    assert await elector(leases, clock, "a")._try_acquire_or_renew()
    assert not await elector(leases, clock, "b")._try_acquire_or_renew()
    assert holder(leases) == "a"


async def test_a_lease_that_is_not_renewed_for_its_duration_is_taken(leases: Leases, clock: Clock) -> None:
    """By the clock of the one that waits; and its taking is counted."""
    first, second = elector(leases, clock, "a"), elector(leases, clock, "b")
    await first._try_acquire_or_renew()
    assert not await second._try_acquire_or_renew()
    clock.now = leader_election.DURATION - 1
    assert not await second._try_acquire_or_renew()
    clock.now = leader_election.DURATION
    assert await second._try_acquire_or_renew()
    assert holder(leases) == "b"
    assert leases.lease is not None
    assert leases.lease["spec"]["leaseTransitions"] == 1


async def test_a_renewal_starts_the_wait_anew(leases: Leases, clock: Clock) -> None:
    first, second = elector(leases, clock, "a"), elector(leases, clock, "b")
    await first._try_acquire_or_renew()
    await second._try_acquire_or_renew()
    clock.now = leader_election.DURATION - 1
    await first._try_acquire_or_renew()
    assert not await second._try_acquire_or_renew()
    clock.now = leader_election.DURATION + 1
    assert not await second._try_acquire_or_renew()


async def test_who_gives_it_back_is_followed_at_once(leases: Leases, clock: Clock) -> None:
    first = elector(leases, clock, "a")
    await first._try_acquire_or_renew()
    await first.release()
    assert leases.lease is not None
    assert "holderIdentity" not in leases.lease["spec"]  # Kubernetes refuses an empty one
    assert await elector(leases, clock, "b")._try_acquire_or_renew()


async def test_whose_lease_was_taken_stops(leases: Leases, clock: Clock) -> None:
    first = elector(leases, clock, "a")
    await first._try_acquire_or_renew()
    assert leases.lease is not None
    leases.lease["spec"] |= {"holderIdentity": "b"}
    with pytest.raises(LeadershipLost):
        await first._try_acquire_or_renew()
    await first.release()
    assert holder(leases) == "b"


async def test_without_an_answer_for_too_long_it_stops(
    leases: Leases, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another may think that it is free."""
    first = elector(leases, clock, "a")
    await first._try_acquire_or_renew()
    leases.error = ApiError(0, "Unreachable", "")

    async def pass_time(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(asyncio, "sleep", pass_time)
    with pytest.raises(LeadershipLost):
        await first.renew()
    assert clock.now == leader_election.DEADLINE


async def test_of_two_that_take_it_at_once_one_wins(leases: Leases, clock: Clock) -> None:
    first, second = elector(leases, clock, "a"), elector(leases, clock, "b")
    seen = first._lease_to_write(None), second._lease_to_write(None)
    await leases.write_lease(seen[0])
    with pytest.raises(ApiError):
        await leases.write_lease(seen[1])
    assert not await second._try_acquire_or_renew()


async def test_it_is_given_back_after_a_renewal_whose_answer_was_cut_off(leases: Leases, clock: Clock) -> None:
    """The end of the process cancels a renewal that the API server has written: the version has moved on."""
    first = elector(leases, clock, "a")
    await first._try_acquire_or_renew()
    await leases.write_lease(first._lease_to_write(leases.lease))
    await first.release()
    assert holder(leases) == ""
