"""Wait for what happens on a server or in another process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from tests.patience import DEADLINE

Found = TypeVar("Found")
_INTERVAL = 0.02
# Seconds between two polls of a long wait. On a simulated clock waiting is free, and only polling takes time.
_LONGEST_INTERVAL = 0.02
_GROWTH = 1.1


def eventually(description: str, check: Callable[[], Found | None], seconds: float = DEADLINE) -> Found:
    """Poll until `check` returns something true, and return it. Fail with the description after the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {description}")
        time.sleep(_INTERVAL)
    return found


async def wait_until(check: Callable[[], Awaitable[Found | None]], seconds: float = DEADLINE) -> Found:
    """Poll until `check` returns something true, and return it.

    Raises:
        TimeoutError: `check` returned nothing true within the deadline.
    """
    pause = _INTERVAL
    async with asyncio.timeout(seconds):
        while not (found := await check()):
            await asyncio.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_INTERVAL)
    return found
