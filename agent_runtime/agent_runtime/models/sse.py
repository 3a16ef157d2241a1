"""Server-sent events as OpenAI's protocol uses them: one line of data per event."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp

DONE = b"[DONE]"
MAX_EVENT_BYTES = 1024 * 1024
MAX_STREAM_BYTES = 16 * 1024 * 1024
# Lines after which other tasks of the event loop get a turn. A buffer may contain thousands of short lines.
_LINES_PER_TURN = 256
_DATA = b"data:"


async def events(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield the data of each event, until the event [DONE].

    Raises:
        aiohttp.ClientPayloadError: the stream ended without [DONE], an event is longer than MAX_EVENT_BYTES, or the
            stream is longer than MAX_STREAM_BYTES.
    """
    async for lines in _lines(stream):
        for number, line in enumerate(lines, 1):
            if number % _LINES_PER_TURN == 0:
                await asyncio.sleep(0)
            if line.startswith(_DATA):
                data = line[len(_DATA) :].strip()
                if data == DONE:
                    return
                yield data
    raise aiohttp.ClientPayloadError("the stream ended early")


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[list[bytes]]:
    """Yield the complete lines of each received part."""
    # The parts of an incomplete line. To join them at each part would take quadratic time.
    tail: list[bytes] = []
    total = incomplete = 0
    async for received in stream.iter_any():
        total += len(received)
        if total > MAX_STREAM_BYTES:
            raise aiohttp.ClientPayloadError("the stream is too long")
        if b"\n" in received:
            *lines, rest = b"".join((*tail, received)).split(b"\n")
            tail, incomplete = [rest], len(rest)
            yield lines
        else:
            tail.append(received)
            incomplete += len(received)
        if incomplete > MAX_EVENT_BYTES:
            raise aiohttp.ClientPayloadError("an event is too long")


def event(data: bytes, kind: bytes = b"") -> bytes:
    """Return the bytes of an event."""
    name = b"event: %b\n" % kind if kind else b""
    return b"%bdata: %b\n\n" % (name, data)
