"""Reads the bodies of HTTP responses within bounds of memory."""

from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp

from agent_operator.kube.decoding import Object, decode_event

# Bytes of the longest line of a watch that is read whole, and of the start of longer lines, which has the name.
LONGEST_LINE = 2 << 20
LINE_START = 128 << 10


class ResponseTooLargeError(Exception):
    """A response is larger than the caller reads."""


class LineReader:
    """Splits chunks into lines. Of a line that is too long, it keeps only the start."""

    def __init__(self, longest: int, kept: int) -> None:
        """Create a reader. `longest`: bytes of a line that is kept whole. `kept`: bytes of the start of others."""
        self._longest = longest
        self._kept = kept
        self._line = bytearray()
        self._is_cut = False

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield each complete line that is not blank, and whether it is cut."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._append(end)
            line, is_cut = bytes(self._line), self._is_cut
            self._line, self._is_cut = bytearray(), False
            if line.strip():
                yield line, is_cut
        self._append(rest)

    def _append(self, part: bytes) -> None:
        if self._is_cut:
            return
        if len(self._line) + len(part) <= self._longest:
            self._line += part
            return
        self._is_cut = True
        # A copy, so that the memory of the whole line is released.
        self._line = bytearray((self._line + part[: self._kept])[: self._kept])


async def read_body(response: aiohttp.ClientResponse, largest: int) -> bytes:
    """Read a response. ResponseTooLargeError if it is larger than `largest` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        if len(body) + len(chunk) > largest:
            response.close()
            raise ResponseTooLargeError(f"the response is larger than {largest} bytes")
        body += chunk
    return bytes(body)


async def read_lines(
    response: aiohttp.ClientResponse, on_activity: Callable[[], None]
) -> AsyncIterator[tuple[bytes, bool]]:
    """Yield the lines of a stream, and whether they are cut."""
    lines = LineReader(LONGEST_LINE, LINE_START)
    async for chunk in response.content.iter_any():
        on_activity()
        for line in lines.feed(chunk):
            yield line


async def read_events(response: aiohttp.ClientResponse, on_activity: Callable[[], None]) -> AsyncIterator[Object]:
    """Yield the events of a watch. DecodeError if the object of an event can neither be read nor identified."""
    async for line, is_cut in read_lines(response, on_activity):
        yield await decode_event(line, is_cut=is_cut)
