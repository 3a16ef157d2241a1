"""An MCP server in a process of its own, over stdin and stdout, with limits on what the process may write.

The transport of the SDK reads lines of any length.
"""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from agent_runtime.tools.limits import MAX_MESSAGE_BYTES, MAX_REQUESTS, Meter, TooMuchDataError

# Seconds that a process has to end after its stdin is closed, and again after SIGTERM.
STOP_TIMEOUT = 2.0
# Bytes of stderr that are kept, and that are read at once. The pause after a full read limits the rate to 1 MiB/s.
MAX_STDERR_BYTES = 2048
_STDERR_READ, _STDERR_PAUSE = 64 * 1024, 0.06
# Seconds between the end of stdout and the end of the process.
_EXIT_TIMEOUT = 0.5
# Lines without a message, such as log lines of a library that writes to stdout.
MAX_OTHER_LINES = 1_000

Incoming = SessionMessage | Exception
Streams = tuple[MemoryObjectReceiveStream[Incoming], MemoryObjectSendStream[SessionMessage]]


class ProcessEnd:
    """How a process ended.

    Attributes:
        status: its exit status if it ended by itself; negative for the number of a signal.
        stderr: the end of what it wrote to stderr.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.stderr = b""
        self.stderr_closed = asyncio.Event()


@asynccontextmanager
async def stdio_transport(
    command: str, arguments: Sequence[str], variables: Mapping[str, str], end: ProcessEnd
) -> AsyncIterator[Streams]:
    """Start a process; yield the streams of its messages. The process ends with the block, which sets `end`.

    Raises:
        OSError: the process cannot be started.
        TooMuchDataError: it exceeds a limit.
    """
    process = await asyncio.create_subprocess_exec(
        command,
        *arguments,
        env=get_default_environment() | dict(variables),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=MAX_MESSAGE_BYTES,
        start_new_session=True,
    )
    received_writer, received = anyio.create_memory_object_stream[Incoming](0)
    sent, sent_reader = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, process, received_writer)
            tasks.start_soon(_keep_stderr, process, end)
            tasks.start_soon(_write, process, sent_reader, received_writer)
            try:
                yield received, sent
            finally:
                await _record_end(process, end)
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)
        for stream in (received, received_writer, sent, sent_reader):
            stream.close()


async def _read(process: Process, messages: MemoryObjectSendStream[Incoming]) -> None:
    """Pass on the messages of the process, one line each, until it ends."""
    assert process.stdout is not None, "the process has a pipe"  # noqa: S101
    limit = _RateLimit()
    with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        async with messages:
            while line := await _line(process.stdout):
                message = _parsed(line)
                limit.take(is_message=message is not None, is_request=b'"method"' in line)
                if message is not None:
                    await messages.send(message)


async def _keep_stderr(process: Process, end: ProcessEnd) -> None:
    """Read stderr, so that the process does not block, and keep the end of it."""
    assert process.stderr is not None, "the process has a pipe"  # noqa: S101
    while part := await process.stderr.read(_STDERR_READ):
        end.stderr = (end.stderr + part)[-MAX_STDERR_BYTES:]
        if len(part) == _STDERR_READ:
            await asyncio.sleep(_STDERR_PAUSE)
    end.stderr_closed.set()


async def _record_end(process: Process, end: ProcessEnd) -> None:
    """Record the exit status if the process has ended by itself, which its closed stdout shows."""
    if process.stdout is None or not process.stdout.at_eof():
        return
    with anyio.CancelScope(shield=True), suppress(TimeoutError):
        async with asyncio.timeout(_EXIT_TIMEOUT):
            end.status = await process.wait()
            # The last lines of stderr may arrive after the exit status.
            await end.stderr_closed.wait()


async def _line(stdout: asyncio.StreamReader) -> bytes:
    try:
        return await stdout.readline()
    except ValueError:  # the limit of the reader
        raise TooMuchDataError(f"wrote a line of more than {MAX_MESSAGE_BYTES} bytes") from None


def _parsed(line: bytes) -> SessionMessage | None:
    Meter().count(line)
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        return None


class _RateLimit:
    """Limits requests and notifications per second, and other lines in total."""

    def __init__(self) -> None:
        self._second = self._requests = self._others = 0

    def take(self, *, is_message: bool, is_request: bool) -> None:
        """Count a line.

        Raises:
            TooMuchDataError: the limit is exceeded.
        """
        if (second := int(asyncio.get_running_loop().time())) != self._second:
            self._second, self._requests = second, 0
        self._requests += is_request
        self._others += not is_message
        if self._requests > MAX_REQUESTS or self._others > MAX_OTHER_LINES:
            raise TooMuchDataError("writes too many lines that answer no request")


async def _write(
    process: Process,
    messages: MemoryObjectReceiveStream[SessionMessage],
    received: MemoryObjectSendStream[Incoming],
) -> None:
    """Write messages to the process until it ends."""
    assert process.stdin is not None, "the process has a pipe"  # noqa: S101
    try:
        async with messages:
            async for message in messages:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode() + b"\n")
                await process.stdin.drain()
    except OSError:
        # Let the session see the end of the connection, instead of waiting for a response.
        await received.aclose()


async def _stop(process: Process) -> None:
    """End the process and its children, as the MCP specification describes."""
    if process.stdin is not None:
        process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
                return
