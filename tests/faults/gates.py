"""Faults of the events of a watch on their way to the operator."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp
from aiohttp import web


class Gate(StrEnum):
    """The fault of the watches of a kind."""

    HOLD = "hold"
    """Events are held until the gate is opened."""
    LOSE = "lose"
    """Events are dropped; when the gate is opened, the stream is aborted."""
    TWICE = "duplicate"
    LAG = "lag"
    """Each event is held until the next `lag` events."""
    SILENT = "blackhole"
    """The stream stays open without data."""
    GONE = "410"
    ERROR = "500"
    """The stream is one error event that is not 410."""
    BOOKMARKS = "bookmarks"
    """Each event is followed by bookmarks."""
    CLOSE = "close"
    """The stream ends normally at once."""


@dataclass
class Events:
    """The events of one watch. After a lost event no later one is sent, as no API server skips an event."""

    gate: Callable[[], Gate | None]
    lag: int
    response: web.StreamResponse
    waiting: list[bytes] = field(default_factory=list)
    broken: bool = False

    async def relay(self, stream: aiohttp.StreamReader, opened: Callable[[], asyncio.Event]) -> None:
        """Forward events, and the held ones as soon as the gate is opened."""
        reading = asyncio.ensure_future(stream.readline())
        opening = asyncio.ensure_future(opened().wait())
        try:
            while True:
                await asyncio.wait({reading, opening}, return_when=asyncio.FIRST_COMPLETED)
                if opening.done():
                    if self.broken:
                        return
                    await self._flush()
                    opening = asyncio.ensure_future(opened().wait())
                if reading.done():
                    got = reading.result()
                    if not got:
                        return
                    await self._take(got)
                    reading = asyncio.ensure_future(stream.readline())
        finally:
            reading.cancel()
            opening.cancel()

    async def _take(self, got: bytes) -> None:
        gate = self.gate()
        self.broken |= gate in (Gate.LOSE, Gate.SILENT)
        if self.broken:
            return
        self.waiting.append(got)
        if gate is Gate.HOLD:
            return
        if gate is Gate.TWICE:
            self.waiting.append(got)
        if gate is Gate.BOOKMARKS:
            version = json.loads(got)["object"]["metadata"]["resourceVersion"]
            self.waiting += [line("BOOKMARK", {"metadata": {"resourceVersion": version}})] * 2
        await self._flush(keep=self.lag if gate is Gate.LAG else 0)

    async def _flush(self, keep: int = 0) -> None:
        while len(self.waiting) > keep:
            await self.response.write(self.waiting.pop(0))


def line(kind: str, obj: dict[str, Any]) -> bytes:
    """Return an event in the format of a watch."""
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"
