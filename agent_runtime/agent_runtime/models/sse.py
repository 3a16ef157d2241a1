"""Server-sent events as OpenAI's protocol uses them: one line of data per event."""

from collections.abc import AsyncIterator

import aiohttp

DONE = b"[DONE]"
MAX_EVENT_BYTES = 1024 * 1024
_DATA = b"data:"


async def events(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield the data of each event, until the event [DONE].

    Raises:
        aiohttp.ClientPayloadError: the stream ended without [DONE], or an event is longer than MAX_EVENT_BYTES.
    """
    tail = b""
    async for received in stream.iter_any():
        lines = (tail + received).split(b"\n")
        tail = lines.pop()
        if len(tail) > MAX_EVENT_BYTES:
            raise aiohttp.ClientPayloadError("an event is too long")
        for line in lines:
            if line.startswith(_DATA):
                data = line[len(_DATA) :].strip()
                if data == DONE:
                    return
                yield data
    raise aiohttp.ClientPayloadError("the stream ended early")


def event(data: bytes, kind: bytes = b"") -> bytes:
    """Return the bytes of an event."""
    name = b"event: %b\n" % kind if kind else b""
    return b"%bdata: %b\n\n" % (name, data)
