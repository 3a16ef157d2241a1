"""Waits that end together at one time."""

import asyncio

import pytest

from agent_runtime.models.deadline import Deadline


def now() -> float:
    """The event loop's clock."""
    return asyncio.get_running_loop().time()


async def after(when: float) -> None:
    """Wait until the clock has passed this time, and what was due then has run."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_at(when + 0.01, passed.set)
    await passed.wait()


async def test_what_is_in_time_is_not_disturbed() -> None:
    """However many waits there are; nothing is cancelled later either."""
    deadline = Deadline(now() + 60)
    for _ in range(3):
        with deadline:
            await asyncio.sleep(0)
    deadline._end()

    await after(now())


async def test_what_is_late_ends() -> None:
    """And what comes after it does not begin."""
    deadline = Deadline(now())

    with pytest.raises(TimeoutError), deadline:
        await asyncio.Event().wait()
    with pytest.raises(TimeoutError), deadline:
        pytest.fail("there was no time for this")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_the_time_between_waits_is_not_cut_short() -> None:
    """Whoever reads slowly is told at the next wait."""
    deadline = Deadline(now())
    with deadline:
        pass

    await after(now())

    with pytest.raises(TimeoutError), deadline:
        pytest.fail("there was no time for this")


@pytest.mark.parametrize("both", [False, True])
async def test_who_is_cancelled_is_cancelled(both: bool) -> None:
    """By somebody else, even when the time is over at the same moment."""
    waiting = asyncio.Event()

    async def wait() -> None:
        deadline = Deadline(now() + 60)
        with deadline:
            waiting.set()
            if both:
                asyncio.get_running_loop().call_soon(deadline._end)
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await waiting.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_stays_what_it_is() -> None:
    """As without a deadline."""
    deadline = Deadline(now() + 60)

    with pytest.raises(KeyError), deadline:
        raise KeyError
    deadline.close()
