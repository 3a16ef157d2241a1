"""A probe that asks a model for a completion, for servers whose list of models says nothing about it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError

# Each probe costs some tokens.
INTERVAL = 300.0
INTERVAL_UNHEALTHY = 15.0
# Seconds that a completion may take, and that one probe waits for it. The next probe waits again.
TIMEOUT = 60.0
WAIT = 2.0
_REASONS = {
    "model_credentials_refused": "CredentialsRefused",
    "model_not_found_upstream": "ModelUnknown",
    "insufficient_quota": "QuotaExhausted",
    "model_timeout": "ResponseTimeout",
    "model_unreachable": "ConnectionFailed",
    "model_not_configured": "NotConfigured",
}


class ChatProbe:
    """Calls the model in the background, at most once per interval. A call of a caller replaces the next probe."""

    def __init__(
        self, model: str, call: Callable[[], Awaitable[object]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = model
        self._call = call
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._due = float("-inf")
        self._fault: UnhealthyError | None = UnhealthyError("the first completion has not ended yet", "ResponseTimeout")

    def record_success(self) -> None:
        """Record that a call succeeded."""
        self._fault = None
        self._due = self._clock() + INTERVAL

    async def result(self) -> None:
        """Start a call if one is due, and report the result of the last one.

        Raises:
            UnhealthyError: the model did not answer.
        """
        if self._task is None and self._clock() >= self._due:
            self._task = asyncio.create_task(self._run())
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=WAIT)
        if self._fault is not None:
            raise self._fault.with_traceback(None)

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._call()
        except TimeoutError:
            self._fail("the model did not answer in time", "ResponseTimeout")
        except Problem as problem:
            # The server understood the request, or has too many of them, so that the model works.
            if problem.status in {400, 429} and problem.code not in _REASONS:
                self.record_success()
            else:
                message = problem.detail.removeprefix(f"{self._model}: ")
                self._fail(message, _REASONS.get(problem.code, "ServerError"))
        else:
            self.record_success()
        finally:
            self._task = None

    def _fail(self, message: str, reason: str) -> None:
        self._fault = UnhealthyError(message, reason)
        self._due = self._clock() + INTERVAL_UNHEALTHY

    async def aclose(self) -> None:
        """Cancel the call in progress."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
