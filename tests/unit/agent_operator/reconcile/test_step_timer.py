"""The CPU time of a pass is measured without the time in which it waits."""

import asyncio
import time

import pytest

from agent_operator.reconcile.step_timer import StepTimer


def spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def test_steps_are_measured_without_waits() -> None:
    async def work() -> str:
        spin(0.02)
        await asyncio.sleep(0.1)
        spin(0.05)
        await asyncio.sleep(0)
        return "done"

    timer = StepTimer(work())
    assert await timer == "done"
    assert 0.05 <= timer.longest < timer.total
    assert timer.total >= 0.07


async def test_errors_pass_through() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("a")

    with pytest.raises(ValueError, match="a"):
        await StepTimer(fail())


async def test_the_coroutine_receives_a_cancellation() -> None:
    cleaned = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    async def run() -> None:
        await StepTimer(wait())

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]
