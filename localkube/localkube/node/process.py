"""The process of a container. It runs in its own session, and its process group ends with it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from localkube.node.errors import StartError
from localkube.node.guard import Guard, kill_group
from localkube.node.logs import CHUNK, LogWriter

SIGNALLED = 128  # a process ended by signal N has exit code 128 + N
DRAIN = 1.0  # seconds to read the last output of a process that has ended


class Process:
    """A running container."""

    def __init__(
        self, child: asyncio.subprocess.Process, output: int, guard: Guard, pid_file: Path, log: LogWriter
    ) -> None:
        self.pid = child.pid
        self.log = log
        self._child = child
        self._output = output
        self._guard = guard
        self._pid_file = pid_file
        self._exit = asyncio.create_task(self._reap(), name=f"process {child.pid}")

    @classmethod
    async def start(
        cls, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: LogWriter, guard: Guard, pid_file: Path
    ) -> "Process":
        """Start a command. Raises StartError on failure."""
        # With asyncio's pipe, `wait` would not return while a grandchild keeps the pipe open.
        output, given = os.pipe()
        try:
            child = await asyncio.create_subprocess_exec(
                *argv,
                env=env,
                cwd=cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=given,
                stderr=given,
                start_new_session=True,
            )
        except BaseException as error:
            os.close(output)
            log.close()
            if not isinstance(error, OSError | ValueError):
                raise
            raise StartError(f'failed to start container process: exec: "{argv[0]}": {error}') from error
        finally:
            os.close(given)
        guard.started(child.pid, pid_file)
        return cls(child, output, guard, pid_file, log)

    async def wait(self) -> int:
        """Wait for the exit code."""
        return await asyncio.shield(self._exit)

    async def stop(self, grace: float) -> int:
        """Send SIGTERM, and SIGKILL after `grace` seconds; returns the exit code."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                return await self.wait()
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        """Send SIGKILL to the process group; returns the exit code."""
        self.signal(signal.SIGKILL)
        return await self.wait()

    def signal(self, number: int) -> None:
        """Send a signal: SIGKILL to the process group, others only to the first process, like PID 1 of a container."""
        if self._exit.done():
            return
        if number == signal.SIGKILL:
            kill_group(self.pid, number)
        else:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)

    async def _reap(self) -> int:
        pump = asyncio.create_task(self._pump())
        try:
            code = await self._child.wait()
        finally:
            self._guard.ended(self.pid, self._pid_file)
        # A process that left the group may keep the pipe open; do not wait for its output.
        await asyncio.wait([pump], timeout=DRAIN)
        pump.cancel()
        self.log.close()
        return code if code >= 0 else SIGNALLED - code

    async def _pump(self) -> None:
        reader = asyncio.StreamReader()
        pipe = os.fdopen(self._output, "rb", buffering=0)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            while data := await reader.read(CHUNK):
                self.log.feed(data)
        finally:
            transport.close()
