"""When a minimal request confirms that a model refuses all requests."""

import asyncio

import pytest

from agent_runtime.errors import Problem
from agent_runtime.models.confirmation import INTERVAL, Confirmation
from tests.clock import ManualClock


@pytest.mark.parametrize("problem", [None, Problem(502, "model_not_found_upstream", "m: x")])
async def test_a_confirmation_asks_once_per_interval(problem: Problem | None) -> None:
    clock, calls, refused = ManualClock(), [], list[Problem]()

    async def call() -> None:
        calls.append(clock())
        # A refusal of the minimal request starts no other.
        confirmation.start()
        if problem is not None:
            raise problem

    confirmation = Confirmation(call, refused.append, clock)
    for seconds in (0.0, INTERVAL - 1, INTERVAL):
        clock.now = seconds
        confirmation.start()
        confirmation.start()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert calls == [0.0, INTERVAL]
    assert refused == ([problem] * 2 if problem else [])


async def test_closing_ends_a_confirmation() -> None:
    confirmation = Confirmation(asyncio.Event().wait, lambda _: None)
    confirmation.start()
    await asyncio.sleep(0)

    await confirmation.aclose()

    assert len(asyncio.all_tasks()) == 1
