"""Limits on requests: rate limit and load shedding."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent_runtime.errors import Problem
from agent_runtime.http import limits as module
from agent_runtime.http.api_keys import ApiKeys
from agent_runtime.http.callers import Callers
from agent_runtime.http.limits import Gate, Load, RateLimit
from tests.clock import ManualClock
from tests.patience import DEADLINE


@pytest.fixture
def clock() -> ManualClock:
    """A clock that does not move by itself."""
    return ManualClock(now=100.0)


def test_each_client_has_its_own_bucket_which_refills_evenly(clock: ManualClock) -> None:
    """A bucket holds the requests of one minute. With 6 per minute, one returns every 10 seconds."""
    rate = RateLimit(6, clock)
    for _ in range(6):
        rate.take("a")
    with pytest.raises(Problem) as raised:
        rate.take("a")
    assert (raised.value.status, raised.value.retry_after) == (429, 10)
    rate.take("b")

    clock.now += 10
    rate.take("a")
    with pytest.raises(Problem):
        rate.take("a")


def test_a_refused_request_costs_nothing(clock: ManualClock) -> None:
    """A client that retries too early does not wait longer for it."""
    rate = RateLimit(60, clock)
    for _ in range(60):
        rate.take("a")
    for _ in range(9):
        clock.now += 0.1
        with pytest.raises(Problem):
            rate.take("a")
    clock.now += 0.1001

    rate.take("a")


def test_the_number_of_buckets_is_limited(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> None:
    """Clients with changing addresses cannot exhaust the memory."""
    monkeypatch.setattr(module, "MAX_CLIENTS", 10)
    rate = RateLimit(1, clock)
    for number in range(100):
        rate.take(str(number))

    assert len(rate._buckets) == 10


def test_requests_over_the_limit_are_refused() -> None:
    """The error is a 503 with Retry-After. The end of a request makes room for another."""
    load = Load(2)
    with load:
        with load, pytest.raises(Problem) as raised, load:
            pass
        assert (raised.value.status, raised.value.retry_after) == (503, 1)
        with load:
            pass


async def test_a_late_event_loop_refuses_requests() -> None:
    """Requests are refused only if enough are in flight, and only until the event loop keeps up again."""
    load = Load(100)
    load._lag = 10 * module.MAX_LAG
    with ExitStack() as stack:
        for _ in range(module.MIN_REQUESTS):
            stack.enter_context(load)
        with pytest.raises(Problem), load:
            pass
    watch = asyncio.create_task(load.watch())

    async with asyncio.timeout(DEADLINE):
        while load._lag > module.MAX_LAG:  # noqa: ASYNC110  (there is no event for it)
            await asyncio.sleep(0.01)
    watch.cancel()


async def test_the_rate_limit_counts_by_key_or_else_by_address(tmp_path: Path) -> None:
    """An agent with API keys counts by key, another one by the address of the client."""
    (tmp_path / "keys").write_text("one\ntwo")
    with_keys = Gate(Callers(ApiKeys(tmp_path / "keys")), RateLimit(1), Load(1))
    await with_keys.admit("Bearer one", "10.0.0.1")
    await with_keys.admit("Bearer two", "10.0.0.1")
    with pytest.raises(Problem):
        await with_keys.admit("Bearer one", "10.0.0.2")

    without_keys = Gate(Callers(), RateLimit(1), Load(1))
    assert await without_keys.admit("", "10.0.0.1") == ""
    with pytest.raises(Problem):
        await without_keys.admit("Bearer x", "10.0.0.1")
