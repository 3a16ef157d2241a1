"""Confirms that a model refuses all requests, before one refused request counts against it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from agent_runtime.errors import Problem

# Seconds between two confirmations, each of which may cost some tokens, and that one may take.
INTERVAL = 30.0
TIMEOUT = 20.0


class Confirmation:
    """Sends a minimal request in the background after a refusal whose cause may be the request of one caller."""

    def __init__(
        self,
        call: Callable[[], Awaitable[object]],
        refused: Callable[[Problem], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create it.

        Args:
            call: sends the minimal request.
            refused: is called with the problem of the minimal request.
            clock: in seconds.
        """
        self._call = call
        self._refused = refused
        self._clock = clock
        self._due = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start a confirmation, unless one runs or the last one was a moment ago."""
        if self._task is None and self._clock() >= self._due:
            self._due = self._clock() + INTERVAL
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._call()
        except Problem as problem:
            self._refused(problem)
        except TimeoutError:
            # A model that refuses a request does so at once.
            pass
        finally:
            self._task = None

    async def aclose(self) -> None:
        """Cancel the confirmation in progress."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
