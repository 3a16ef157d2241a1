"""One deadline for many waits."""

import asyncio

import pytest

from agent_runtime.deadline import Deadline


def now() -> float:
    return asyncio.get_running_loop().time()


async def after(when: float) -> None:
    """Wait until the event loop has run everything that was due at this time."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_at(when + 0.01, passed.set)
    await passed.wait()


async def test_waits_before_the_deadline_are_not_cancelled() -> None:
    """If the deadline passes outside of a block, the task is not cancelled either."""
    deadline = Deadline(now() + 60)
    for _ in range(3):
        with deadline:
            await asyncio.sleep(0)
    deadline._expire()

    await after(now())


async def test_the_deadline_ends_the_current_wait_and_refuses_later_ones() -> None:
    deadline = Deadline(now())

    with pytest.raises(TimeoutError), deadline:
        await asyncio.Event().wait()
    with pytest.raises(TimeoutError), deadline:
        pytest.fail("the deadline has passed")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_deadline_that_passes_between_waits_ends_the_next_one() -> None:
    deadline = Deadline(now())
    with deadline:
        pass

    await after(now())

    with pytest.raises(TimeoutError), deadline:
        pytest.fail("the deadline has passed")


@pytest.mark.parametrize("both", [False, True])
async def test_a_cancellation_takes_precedence(both: bool) -> None:
    """The cancellation takes precedence even if the deadline passes at the same moment."""
    waiting = asyncio.Event()

    async def wait() -> None:
        deadline = Deadline(now() + 60)
        with deadline:
            waiting.set()
            if both:
                asyncio.get_running_loop().call_soon(deadline._expire)
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await waiting.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_other_errors_pass_through() -> None:
    deadline = Deadline(now() + 60)

    with pytest.raises(KeyError), deadline:
        raise KeyError
    deadline.close()
