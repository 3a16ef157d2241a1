"""Wait for what happens on a server or in another process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from tests.patience import DEADLINE

Found = TypeVar("Found")
_INTERVAL = 0.02


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
    async with asyncio.timeout(seconds):
        while not (found := await check()):  # noqa: ASYNC110  (the condition is a state of a server)
            await asyncio.sleep(_INTERVAL)
    return found
