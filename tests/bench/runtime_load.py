"""Clients of a benchmark. They count tokens without parsing, which would cost more CPU than the measured server."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Self, cast

TOKEN = b'"content":" word"'
LAST_CHUNK = b"0\r\n\r\n"
BUSY = b" 503 "


class BusyError(Exception):
    """The server refused a request because of its load."""


class Client(asyncio.Protocol):
    """A persistent connection with one request at a time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.tokens = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self.port)
        self._transport = transport
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.abort()

    async def post(self, path: str, body: bytes) -> None:
        """Send a request and wait for the end of its response. Then self.first is the time of the first token.

        Raises:
            BusyError: the response is a 503.
        """
        loop = asyncio.get_running_loop()
        self._answered: asyncio.Future[None] = loop.create_future()
        self._received, self._length, self.first = b"", -1, 0.0
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        await self._answered

    def data_received(self, data: bytes) -> None:
        """Count tokens, and detect the end of the response."""
        if self._length < 0:
            data = self._received = self._received + data
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                return
            self._busy = BUSY in head[:20]
            assert self._busy or b" 200 " in head[:20], data[:1000]
            _, known, length = head.lower().partition(b"content-length: ")
            self._length = int(length.split(b"\r\n")[0]) if known else 0
            self._chunked, data, self._received = not known, rest, b""
        if self._chunked:
            self._count(data)
            done = self._received.endswith(LAST_CHUNK)
        else:
            self._length -= len(data)
            done = not self._length
        if done and self._busy:
            self._answered.set_exception(BusyError())
        elif done:
            self._answered.set_result(None)

    def _count(self, data: bytes) -> None:
        # The rest of the last data is shorter than a token, so no token is counted twice.
        self._received = self._received[1 - len(TOKEN) :] + data
        came = self._received.count(TOKEN)
        self.tokens += came
        if came and not self.first:
            self.first = time.perf_counter()

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the request that waits for a response."""
        if hasattr(self, "_answered") and not self._answered.done():
            self._answered.set_exception(error or ConnectionResetError("closed before the answer was complete"))


async def requests(port: int, path: str, bodies: Callable[[int], bytes], seconds: float, connections: int = 32) -> int:
    """Send requests for `seconds`; return how many were answered."""
    ends = time.perf_counter() + seconds
    done = 0

    async def ask(number: int) -> None:
        nonlocal done
        async with Client(port) as client:
            while time.perf_counter() < ends:
                try:
                    await client.post(path, bodies(number))
                    done += 1
                except BusyError:
                    await asyncio.sleep(0.1)

    await asyncio.gather(*map(ask, range(connections)))
    return done


async def overload(port: int, path: str, body: bytes, connections: int, seconds: float) -> tuple[list[float], int]:
    """Send more concurrent requests than the server admits. A refused client retries after a second.

    Returns the sorted durations of answered requests in seconds, and the number of refused requests.
    """
    ends = time.perf_counter() + seconds
    durations, refused = [], 0

    async def ask(number: int) -> None:
        nonlocal refused
        await asyncio.sleep(number / connections)
        async with Client(port) as client:
            while (started := time.perf_counter()) < ends:
                try:
                    await client.post(path, body)
                    durations.append(time.perf_counter() - started)
                except BusyError:
                    refused += 1
                    await asyncio.sleep(1)

    await asyncio.gather(*map(ask, range(connections)))
    return sorted(durations), refused


async def latencies(port: int, path: str, body: bytes, count: int) -> list[float]:
    """Send requests one after the other; return their sorted latencies in ms, of streams to the first token."""
    latencies_ms = []
    async with Client(port) as client:
        for _ in range(count):
            started = time.perf_counter()
            await client.post(path, body)
            latencies_ms.append(((client.first or time.perf_counter()) - started) * 1000)
    return sorted(latencies_ms)


async def streams(
    port: int, path: str, body: bytes, count: int, window: tuple[float, float], at: Callable[[], float]
) -> tuple[float, float, int]:
    """Run `count` streams, which start within the first second, and measure while all of them run.

    The window is in seconds since the start. `at` is a growing counter, such as CPU seconds, which is read at both ends
    of the window. Returns the tokens per second in the window, the growth of `at` per token, and the number of refused
    streams.
    """
    clients = [Client(port) for _ in range(count)]
    refused = 0

    async def one(number: int) -> None:
        nonlocal refused
        await asyncio.sleep(number / count)
        async with clients[number] as client:
            try:
                await client.post(path, body)
            except BusyError:
                refused += 1

    async def measured() -> tuple[float, float]:
        marks = []
        for seconds in window:
            await asyncio.sleep(begun + seconds - time.perf_counter())
            marks.append((time.perf_counter(), sum(client.tokens for client in clients), at()))
        (start, tokens, before), (end, more, after) = marks
        return (more - tokens) / (end - start), (after - before) / max(1, more - tokens)

    begun = time.perf_counter()
    running: list[Awaitable[object]] = [one(number) for number in range(count)]
    result, *_ = await asyncio.gather(measured(), *running)
    return (*cast("tuple[float, float]", result), refused)
