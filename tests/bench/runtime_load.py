"""Clients of a bench. They only count what arrives: to parse it would cost more than what is measured."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Self, cast

TOKEN = b'"content":" word"'
LAST_CHUNK = b"0\r\n\r\n"
BUSY = b" 503 "


class BusyError(Exception):
    """The server sheds load."""


class Client(asyncio.Protocol):
    """One connection that is kept, with one request at a time."""

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
        """Send a request and wait for the end of its answer; self.first tells when the first token came.

        Raises:
            BusyError: the answer is 503.
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
        """Count, and see whether it was the last."""
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
        # What is kept is too short to hold a token that was counted.
        self._received = self._received[1 - len(TOKEN) :] + data
        came = self._received.count(TOKEN)
        self.tokens += came
        if came and not self.first:
            self.first = time.perf_counter()

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody waits in vain."""
        if hasattr(self, "_answered") and not self._answered.done():
            self._answered.set_exception(error or ConnectionResetError("closed before the answer was complete"))


async def requests(port: int, path: str, bodies: Callable[[int], bytes], seconds: float, connections: int = 32) -> int:
    """How many are answered in that time."""
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
    """More clients than are let in, who try again a second after they were refused.

    Returns the seconds of each request that was answered, sorted, and how many were refused.
    """
    ends = time.perf_counter() + seconds
    found, refused = [], 0

    async def ask(number: int) -> None:
        nonlocal refused
        await asyncio.sleep(number / connections)
        async with Client(port) as client:
            while (begun := time.perf_counter()) < ends:
                try:
                    await client.post(path, body)
                    found.append(time.perf_counter() - begun)
                except BusyError:
                    refused += 1
                    await asyncio.sleep(1)

    await asyncio.gather(*map(ask, range(connections)))
    return sorted(found), refused


async def latencies(port: int, path: str, body: bytes, count: int) -> list[float]:
    """Milliseconds of each request, to the first token of a stream or else to the end; one after the other, sorted."""
    found = []
    async with Client(port) as client:
        for _ in range(count):
            begun = time.perf_counter()
            await client.post(path, body)
            found.append(((client.first or time.perf_counter()) - begun) * 1000)
    return sorted(found)


async def streams(
    port: int, path: str, body: bytes, count: int, window: tuple[float, float], at: Callable[[], float]
) -> tuple[float, float, int]:
    """So many streams at once, all begun within the first second, and measured while all of them run.

    The window has seconds from the begin; at its two ends `at` is read, which grows, such as CPU seconds. Returned are
    the tokens a second in the window, how much `at` grew for each of them, and how many streams were refused.
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
