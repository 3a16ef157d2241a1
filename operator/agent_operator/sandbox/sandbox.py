"""Requests to the worker process: fair between namespaces, and with a cache of results and of what took too long."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from pydantic_core import to_json

from agent_operator.sandbox.limits import CPU_SECONDS
from agent_operator.sandbox.process import EvaluationEndedError, WorkerProcess
from agent_operator.sandbox.turns import NoTurnError, Turns

QUARANTINE_SECONDS = 3600.0
_CACHE_BYTES = 8 * 1024 * 1024
_CACHED_RESULTS = 4_096
# The process takes about 30 MiB, so it does not stay while nobody edits agents.
_IDLE_SECONDS = 60.0


class SandboxError(Exception):
    """A request was not evaluated.

    Attributes:
        too_expensive: it takes too much CPU time or memory. It is not tried again for an hour.
    """

    def __init__(self, *, too_expensive: bool) -> None:
        super().__init__("too expensive" if too_expensive else "not evaluated now")
        self.too_expensive = too_expensive


class Sandbox:
    """Evaluates requests one at a time. An equal request gets the cached result."""

    def __init__(self, clock: Callable[[], float], process: WorkerProcess | None = None) -> None:
        self._clock = clock
        self._process = process or WorkerProcess()
        self._turns = Turns(clock)
        self._results: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()
        self._cached_bytes = 0
        self._quarantine: OrderedDict[bytes, float] = OrderedDict()
        self._idle: asyncio.TimerHandle | None = None

    async def evaluate(self, namespace: str, kind: str, payload: Any) -> Any:
        """Return the result of a request, which the caller must not change.

        Args:
            namespace: of the agent.
            kind: module of this package that evaluates the request.
            payload: JSON.

        Raises:
            SandboxError: it takes too much time or memory, the namespace has used its share, or the process cannot
                start.
        """
        message = to_json(payload)
        digest = blake2b(kind.encode() + message, digest_size=16).digest()
        if (found := self._known(digest)) is not None:
            return found
        try:
            async with self._turns.turn(namespace):
                # Another agent with an equal request may have had an earlier turn.
                if (found := self._known(digest)) is not None:
                    return found
                return await self._call(namespace, kind, payload, digest)
        except NoTurnError:
            raise SandboxError(too_expensive=False) from None

    async def close(self) -> None:
        """End the process."""
        if self._idle is not None:
            self._idle.cancel()
        await self._process.stop()

    async def _call(self, namespace: str, kind: str, payload: Any, digest: bytes) -> Any:
        if self._idle is not None:
            self._idle.cancel()
        try:
            result, seconds = await self._process.call(kind, payload)
        except EvaluationEndedError as error:
            self._turns.charge(namespace, CPU_SECONDS)
            if error.too_expensive:
                self._add_quarantine(digest)
            raise SandboxError(too_expensive=error.too_expensive) from None
        finally:
            self._idle = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._process.kill)
        self._turns.charge(namespace, seconds)
        self._add_result(digest, result)
        return result

    def _known(self, digest: bytes) -> Any:
        """Return the cached result of a request; None if there is none."""
        if self._quarantine.get(digest, 0.0) > self._clock():
            raise SandboxError(too_expensive=True)
        if digest not in self._results:
            return None
        self._results.move_to_end(digest)
        return self._results[digest][0]

    def _add_result(self, digest: bytes, result: Any) -> None:
        size = len(to_json(result))
        self._results[digest] = (result, size)
        self._cached_bytes += size
        while self._results and (self._cached_bytes > _CACHE_BYTES or len(self._results) > _CACHED_RESULTS):
            _, (_, removed) = self._results.popitem(last=False)
            self._cached_bytes -= removed

    def _add_quarantine(self, digest: bytes) -> None:
        self._quarantine[digest] = self._clock() + QUARANTINE_SECONDS
        if len(self._quarantine) > _CACHED_RESULTS:
            self._quarantine.popitem(last=False)
