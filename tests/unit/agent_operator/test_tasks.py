"""Parts of the process that fail."""

import asyncio
from collections import Counter

import pytest

from agent_operator.tasks import background, restarted
from tests.patience import DEADLINE


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the delays between the attempts, and skip them."""
    found: list[float] = []
    sleep = asyncio.sleep

    async def skip(seconds: float) -> None:
        found.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", skip)
    return found


async def test_a_failed_part_starts_again_with_growing_delays(delays: list[float]) -> None:
    failures: Counter[str] = Counter()
    attempts = iter([ValueError("a"), RecursionError("b"), BaseException("a panic"), *[KeyError("c")] * 5, None])

    async def part() -> None:
        if (error := next(attempts)) is not None:
            raise error

    await restarted("part", part, lambda name, _error: failures.update([name]))
    assert delays == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert failures == {"part": 8}


async def test_a_failed_part_does_not_end_the_others(delays: list[float]) -> None:
    twice, done = asyncio.Event(), asyncio.Event()

    async def broken() -> None:
        if len(delays) > 1:
            twice.set()
            await done.wait()
        raise ValueError

    async def sound() -> None:
        await done.wait()

    async with background(restarted("broken", broken, lambda *_: None), sound()) as failed:
        async with asyncio.timeout(DEADLINE):
            await twice.wait()
        assert not failed.done()


async def test_a_cancelled_part_is_not_restarted() -> None:
    started = asyncio.Event()

    async def part() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(restarted("part", part, lambda *_: None))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
