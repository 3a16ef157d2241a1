"""The worker process, and the pipe to it."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import Any

from pydantic_core import to_json

from agent_operator.sandbox.limits import HEADER_BYTES, NOT_EVALUATED

# The limit on CPU time ends a request. This one only ends a process that does not get CPU time, on an overloaded node.
_REPLY_SECONDS = 15.0
_END_SECONDS = 5.0
# -I: the process reads no environment variables and no directory of the user. -B: it writes no files.
_COMMAND = ("-I", "-B", "-m", "agent_operator.sandbox.child")
_MAX_REPLY_BYTES = 16 * 1024 * 1024


class EvaluationEndedError(Exception):
    """The process ended before it replied.

    Attributes:
        too_expensive: because of its limits on CPU time or memory, or because the request made it crash.
    """

    def __init__(self, *, too_expensive: bool) -> None:
        super().__init__("the worker process ended")
        self.too_expensive = too_expensive


class WorkerProcess:
    """Starts the process when it is needed, and again after it has ended."""

    def __init__(self) -> None:
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """PID of the process; None while there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def call(self, kind: str, payload: Any) -> tuple[Any, float]:
        """Evaluate a request. Only one may be in progress.

        Returns:
            The result, and the CPU time in seconds.

        Raises:
            EvaluationEndedError: the process ended. The next call starts another one.
        """
        message = to_json([kind, payload])
        for is_last in (False, True):
            process = await self._started()
            try:
                async with asyncio.timeout(_REPLY_SECONDS):
                    reply = await _exchange(process, message)
                return reply["result"], reply["cpu"]
            except TimeoutError:
                await self.stop()
                raise EvaluationEndedError(too_expensive=False) from None
            except (OSError, asyncio.IncompleteReadError):
                status = await self._end_status(process)
                # A process retires after it has used much memory, perhaps just before this request.
                if status != 0 or is_last:
                    raise EvaluationEndedError(too_expensive=status in _LIMITS) from None
            except BaseException:
                # The reply to a cancelled request would be taken for the reply to the next one.
                self.kill()
                raise
        raise AssertionError

    async def stop(self) -> int | None:
        """End the process, and return its exit status; a negative one is a signal."""
        process = self.kill()
        return None if process is None else await process.wait()

    async def _end_status(self, process: Process) -> int | None:
        """Return the exit status of a process that has closed its pipe. A signal from here could replace its status."""
        try:
            async with asyncio.timeout(_END_SECONDS):
                status = await process.wait()
        except TimeoutError:
            return await self.stop()
        self._process = None
        return status

    def kill(self) -> Process | None:
        """End the process without a wait for its end, and return it; None if there is none."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(OSError):
                process.kill()
        return process

    async def _started(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, *_COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, start_new_session=True
                )
            except OSError:
                raise EvaluationEndedError(too_expensive=False) from None
        return self._process


_LIMITS = frozenset({-signal.SIGPROF, -signal.SIGSEGV, -signal.SIGABRT, NOT_EVALUATED})


async def _exchange(process: Process, message: bytes) -> Any:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    process.stdin.write(len(message).to_bytes(HEADER_BYTES, "big") + message)
    await process.stdin.drain()
    size = int.from_bytes(await process.stdout.readexactly(HEADER_BYTES), "big")
    if size > _MAX_REPLY_BYTES:
        raise OSError("the reply is too long")
    return json.loads(await process.stdout.readexactly(size))
