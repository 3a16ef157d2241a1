"""The gate: keys, rates and load, by a clock of the test's."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent_runtime.errors import Problem
from agent_runtime.http import admission as module
from agent_runtime.http.admission import ApiKeys, Gate, Load, RateLimit
from tests.patience import DEADLINE


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic one", "Bearer three", "Bearer one two", "one"])
def test_only_the_keys_of_the_file_open(tmp_path: Path, header: str) -> None:
    """Nothing else, and the words do not repeat what was sent."""
    (tmp_path / "keys").write_text("one\n\n two \n")
    keys = ApiKeys(tmp_path / "keys")

    with pytest.raises(Problem) as raised:
        keys.caller(header)

    assert (raised.value.status, raised.value.code) == (401, "invalid_api_key")
    assert keys.caller("Bearer one") != keys.caller("bearer two")
    assert "one" not in keys.caller("Bearer one")


def test_the_file_is_read_again_when_it_changes(tmp_path: Path, clock: Clock) -> None:
    """As Kubernetes changes it: by a new file in its place. While there is none, the old keys stay."""
    path = tmp_path / "keys"
    path.write_text("old")
    keys = ApiKeys(path, clock)
    keys.caller("Bearer old")

    path.unlink()
    clock.now += module.RELOAD
    assert keys.caller("Bearer old")
    (tmp_path / "next").write_text("new")
    (tmp_path / "next").replace(path)
    clock.now += module.RELOAD

    assert keys.caller("Bearer new")
    with pytest.raises(Problem):
        keys.caller("Bearer old")


def test_without_a_file_nobody_comes_in(tmp_path: Path) -> None:
    """Keys are asked for, and there are none."""
    with pytest.raises(Problem):
        ApiKeys(tmp_path / "keys").caller("Bearer ")


def test_a_rate_is_each_clients_own_and_refills_evenly(clock: Clock) -> None:
    """A minute's worth at once, then one each sixtieth of it."""
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


def test_a_refused_request_costs_nothing(clock: Clock) -> None:
    """Who keeps asking is let in when the time has come."""
    rate = RateLimit(60, clock)
    for _ in range(60):
        rate.take("a")
    for _ in range(9):
        clock.now += 0.1
        with pytest.raises(Problem):
            rate.take("a")
    clock.now += 0.1001

    rate.take("a")


def test_the_rates_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """However many clients there are."""
    monkeypatch.setattr(module, "MAX_CLIENTS", 10)
    rate = RateLimit(1, clock)
    for number in range(100):
        rate.take(str(number))

    assert len(rate._buckets) == 10


def test_more_than_the_most_are_shed() -> None:
    """With 503 and Retry-After; one that ends makes room."""
    load = Load(2)
    with load:
        with load, pytest.raises(Problem) as raised, load:
            pass
        assert (raised.value.status, raised.value.retry_after) == (503, 1)
        with load:
            pass


async def test_a_late_event_loop_sheds() -> None:
    """Once there is load at all; and does no more once it keeps up again."""
    load = Load(100)
    load._lag = 10 * module.MAX_LAG
    with ExitStack() as held:
        for _ in range(module.MIN_REQUESTS):
            held.enter_context(load)
        with pytest.raises(Problem), load:
            pass
    watch = asyncio.create_task(load.watch())

    async with asyncio.timeout(DEADLINE):
        while load._lag > module.MAX_LAG:  # noqa: ASYNC110  (nothing tells that it changed)
            await asyncio.sleep(0.01)
    watch.cancel()


def test_the_rate_counts_keys_where_there_are_keys(tmp_path: Path) -> None:
    """And addresses where there are none."""
    (tmp_path / "keys").write_text("one\ntwo")
    keyed = Gate(ApiKeys(tmp_path / "keys"), RateLimit(1), Load(1))
    keyed.admit("Bearer one", "10.0.0.1")
    keyed.admit("Bearer two", "10.0.0.1")
    with pytest.raises(Problem):
        keyed.admit("Bearer one", "10.0.0.2")

    open_to_all = Gate(None, RateLimit(1), Load(1))
    assert open_to_all.admit("", "10.0.0.1") == ""
    with pytest.raises(Problem):
        open_to_all.admit("Bearer x", "10.0.0.1")
