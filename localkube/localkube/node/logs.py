"""Logs of containers: files whose lines begin with a timestamp."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from localkube.apiserver.logs import PodLogOptions

MAX_LINE = 16 * 1024  # bytes; a longer line is stored in parts, as by a container runtime
CHUNK = 64 * 1024


def stamp(nanoseconds: int) -> str:
    """Format Unix nanoseconds as RFC 3339."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


class LogWriter:
    """Writes the output of one run of a container. Followers wait for `changed`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.closed = False
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._rest = b""
        self._waiters: set[asyncio.Future[None]] = set()

    def feed(self, data: bytes) -> None:
        """Write complete lines; keep the rest until the line is complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > MAX_LINE:
            lines.append(self._rest[:MAX_LINE])
            self._rest = self._rest[MAX_LINE:]
        if lines:
            prefix = f"{stamp(time.time_ns())} ".encode()
            self._file.write(b"".join(prefix + line + b"\n" for line in lines))
            self._wake()

    def close(self) -> None:
        """Write the rest and end the log."""
        if self.closed:
            return
        if self._rest:
            self.feed(b"\n")
        self.closed = True
        self._file.close()
        self._wake()

    async def changed(self) -> None:
        """Wait for more lines or for the end."""
        if self.closed:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


def last_lines(path: Path, count: int, limit: int) -> str:
    """The last lines of a log without timestamps, at most `limit` bytes."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        lines = [_text(line) for line in deque(file, maxlen=count)]
    return b"".join(lines)[-limit:].decode(errors="replace")


def _text(line: bytes) -> bytes:
    return line.partition(b" ")[2]


async def read(path: Path, writer: LogWriter | None, options: PodLogOptions) -> AsyncIterator[bytes]:
    """The lines of a log. With a writer, follow it until it is closed."""
    after = stamp(int(options.since * 1e9)).encode() if options.since is not None else b""

    def shown(lines: Iterator[bytes] | deque[bytes]) -> bytes:
        kept = (line for line in lines if line.partition(b" ")[0] >= after)
        return b"".join(line if options.timestamps else _text(line) for line in kept)

    with path.open("rb") as file:
        if options.tail is not None:
            yield shown(deque(file, maxlen=options.tail))
        while True:
            while chunk := file.readlines(CHUNK):
                yield shown(iter(chunk))
            if writer is None or writer.closed:
                break
            await writer.changed()
        if last := file.read():
            yield shown(iter(last.splitlines(keepends=True)))
