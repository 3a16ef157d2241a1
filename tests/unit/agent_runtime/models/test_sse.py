"""Streams of events that end too late, or never."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import aiohttp
import pytest

from agent_runtime.models import sse


class Stream:
    """The parts of a response, each as one read returns it."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.parts = parts

    async def iter_any(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part


async def read(*parts: bytes) -> list[bytes]:
    return [data async for _, data in sse.events(Stream(parts))]


async def test_events_may_be_split_anywhere() -> None:
    text = b"data: one\n\n: comment\ndata: two\r\n\r\ndata: [DONE]\n\ndata: late\n\n"

    for size in range(1, 12):
        parts = [text[start : start + size] for start in range(0, len(text), size)]
        assert await read(*parts) == [b"one", b"two", b"[DONE]"]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (b"x" * 65_536, "an event is too long"),
        (b"data: x\n\n" * 8_192, "the stream is too long"),
        (b":\n" * 32_768, "the stream is too long"),
        (b"\n" * 65_536, "the stream is too long"),
        (b"data:\n" * 10_000, "the stream is too long"),
    ],
    ids=["line", "events", "comments", "line breaks", "empty data"],
)
async def test_an_endless_stream_breaks_off(part: bytes, reason: str) -> None:
    def endless() -> Iterable[bytes]:
        while True:
            yield part

    with pytest.raises(aiohttp.ClientPayloadError, match=reason):
        async for _ in sse.events(Stream(endless())):
            pass


async def test_many_short_lines_let_other_tasks_run() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await read(b"data: x\n\n" * 10_000 + b"data: [DONE]\n")
    counting.cancel()

    assert turns > 20
