"""Server-sent events, read as the openai SDK reads them, and written."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import aiohttp

DONE = b"[DONE]"
MAX_EVENT_BYTES = 8 * 1024 * 1024
MAX_STREAM_BYTES = 16 * 1024 * 1024
# Lines after which other tasks of the event loop get a turn. A buffer may contain thousands of short lines.
_LINES_PER_TURN = 256
_DATA, _EVENT = b"data:", b"event:"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


# An event: its name, which is usually empty, and its data. A tuple, because a class costs time for each chunk.
Event = tuple[bytes, bytes]


class Parts(Protocol):
    """The parts of a body as they arrive, such as an aiohttp.StreamReader."""

    def iter_any(self) -> AsyncIterator[bytes]: ...


async def events(stream: Parts) -> AsyncIterator[Event]:
    """Yield the events that have data. The event [DONE] is the last one. A stream may also end without it.

    As in the openai SDK, lines end with LF, CR or CRLF, and the last event is ignored if no empty line follows it.

    Raises:
        aiohttp.ClientPayloadError: a line is longer than MAX_EVENT_BYTES, or the stream is longer than
            MAX_STREAM_BYTES.
    """
    pending = _PendingEvent()
    async for lines in _lines(stream):
        for number, line in enumerate(lines, 1):
            if number % _LINES_PER_TURN == 0:
                await asyncio.sleep(0)
            if line:
                pending.add(line)
            elif found := pending.take():
                yield found
                if found[1].startswith(DONE):
                    return
    if (rest := pending.take()) and rest[1].startswith(DONE):
        yield rest


class _PendingEvent:
    """The event whose lines arrive."""

    def __init__(self) -> None:
        self._kind = b""
        self._data = bytearray()

    def add(self, line: bytes) -> None:
        """Add a line that is not empty. Comments, ids and retry times are ignored."""
        if line.startswith(_DATA):
            if self._data:
                # The data is JSON, in which a space is as good as the line break that the standard demands here.
                self._data += b" "
            self._data += line[len(_DATA) :]
        elif line.startswith(_EVENT):
            self._kind = line[len(_EVENT) :].strip()
        elif line.startswith(_BYTE_ORDER_MARK):
            self.add(line[len(_BYTE_ORDER_MARK) :])

    def take(self) -> Event | None:
        """Return the event, unless it has no data, and begin the next."""
        kind, self._kind = self._kind, b""
        if not self._data:
            return None
        content = bytes(self._data).strip()
        self._data.clear()
        return (kind, content) if content else None


async def _lines(stream: Parts) -> AsyncIterator[list[bytes]]:
    """Yield the complete lines of each received part, and the incomplete line at the end of the stream."""
    # The parts of an incomplete line. To join them at each part would take quadratic time.
    tail: list[bytes] = []
    total = incomplete = 0
    after_cr = False
    async for part in stream.iter_any():
        total += len(part)
        if total > MAX_STREAM_BYTES:
            raise aiohttp.ClientPayloadError("the stream is too long")
        received = _with_line_feeds(part, after_cr=after_cr) if after_cr or b"\r" in part else part
        after_cr = part.endswith(b"\r")
        if b"\n" in received:
            *lines, rest = b"".join((*tail, received)).split(b"\n")
            tail, incomplete = [rest], len(rest)
            yield lines
        else:
            tail.append(received)
            incomplete += len(received)
        if incomplete > MAX_EVENT_BYTES:
            raise aiohttp.ClientPayloadError("an event is too long")
    yield [b"".join(tail)]


def _with_line_feeds(part: bytes, *, after_cr: bool) -> bytes:
    """Return a part of a stream with LF for CR and CRLF. `after_cr`: the part before it ended with CR."""
    received = part[1:] if after_cr and part.startswith(b"\n") else part
    return received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def event(data: bytes, kind: bytes = b"") -> bytes:
    """Return the bytes of an event."""
    name = b"event: %b\n" % kind if kind else b""
    return b"%bdata: %b\n\n" % (name, data)
