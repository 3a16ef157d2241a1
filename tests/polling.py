"""Wait for what happens on a server or in another process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from tests.patience import DEADLINE

Found = TypeVar("Found")
_INTERVAL = 0.02
# A check may run kubectl, which takes 60 ms of CPU. So it runs for at most a fifth of the time.
_PAUSES_PER_CHECK = 4
_LONGEST_INTERVAL = 0.5
# Factor from one pause to the next: a wait takes at most a tenth longer, and a long one takes little CPU.
_GROWTH = 1.1


def eventually(description: str, check: Callable[[], Found | None], seconds: float = DEADLINE) -> Found:
    """Poll until `check` returns something true, and return it. Fail with the description after the deadline."""
    deadline, least = time.monotonic() + seconds, _INTERVAL
    while True:
        began = time.monotonic()
        if found := check():
            return found
        ended = time.monotonic()
        if ended > deadline:
            pytest.fail(f"not within {seconds:g} s: {description}")
        time.sleep(_pause(ended - began, least))
        least *= _GROWTH


async def wait_until(check: Callable[[], Awaitable[Found | None]], seconds: float = DEADLINE) -> Found:
    """Poll until `check` returns something true, and return it.

    Raises:
        TimeoutError: `check` returned nothing true within the deadline.
    """
    least = _INTERVAL
    async with asyncio.timeout(seconds):
        while True:
            began = time.monotonic()
            if found := await check():
                return found
            await asyncio.sleep(_pause(time.monotonic() - began, least))
            least *= _GROWTH


def _pause(duration: float, least: float) -> float:
    """At least so many seconds until the next check, after one that took `duration` seconds."""
    return min(max(least, _PAUSES_PER_CHECK * duration), _LONGEST_INTERVAL)
