"""What can happen to the events of a watch on their way to the operator."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp
from aiohttp import web


class Gate(StrEnum):
    """What happens to the watches of a kind."""

    HOLD = "hold"
    """Events wait until the gate is opened."""
    LOSE = "lose"
    """Events are swallowed; when the gate is opened the stream breaks off."""
    TWICE = "duplicate"
    LAG = "lag"
    """Each event waits for the next `lag` ones."""
    SILENT = "blackhole"
    """The stream is open, and nothing comes."""
    GONE = "410"
    ERROR = "500"
    """The stream consists of an error that is not 410."""
    BOOKMARKS = "bookmarks"
    """Each event is followed by bookmarks."""
    CLOSE = "close"
    """The stream ends, in good order, as soon as it began."""


@dataclass
class Events:
    """The events of one watch. What was lost once makes the stream useless: later events must not hide it."""

    gate: Callable[[], Gate | None]
    lag: int
    response: web.StreamResponse
    waiting: list[bytes] = field(default_factory=list)
    broken: bool = False

    async def relay(self, stream: aiohttp.StreamReader, opened: Callable[[], asyncio.Event]) -> None:
        """Send on what comes; and what waits, as soon as the gate is opened."""
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
    """Return an event as a watch sends it."""
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"
