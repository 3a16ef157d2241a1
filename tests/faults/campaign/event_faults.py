"""Faults of single events of a watch."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.faults.campaign.matrix import Fault
from tests.faults.campaign.traffic import Event, event
from tests.faults.gates import Events

_REORDERED_SECONDS = 1.0


def _no_fault(_: Event) -> Fault | None:
    return None


@dataclass
class FaultyEvents(Events):
    """The events of one watch.

    Attributes:
        plural: of the kind.
        take: records an event and returns its fault.
        late: seconds by which an event is late.
        postponed: an event that is sent after the next one.
    """

    plural: str = ""
    take: Callable[[Event], Fault | None] = _no_fault
    late: float = 0.0
    postponed: bytes = b""
    _sending: asyncio.Task[None] | None = None

    async def _take(self, got: bytes) -> None:
        found = event(self.plural, got)
        fault = self.take(found) if found.type != "BOOKMARK" else None
        if fault is Fault.DROPPED:
            raise ConnectionError
        if fault is Fault.LATE:
            await asyncio.sleep(self.late)
        if fault is Fault.REORDERED:
            self.postponed = got
            self._sending = asyncio.create_task(self._send_after_a_second())
            return
        if found.type == "DELETED":
            # After it, an event of the same object would bring the object back into the cache.
            await self._send_postponed()
        await super()._take(got)
        if fault is Fault.DUPLICATED:
            await super()._take(got)
        await self._send_postponed()

    async def _send_after_a_second(self) -> None:
        """Send the postponed event, although there is no next one."""
        await asyncio.sleep(_REORDERED_SECONDS)
        with suppress(ConnectionError):
            await self._send_postponed()

    async def _send_postponed(self) -> None:
        if self.postponed:
            postponed, self.postponed = self.postponed, b""
            await super()._take(postponed)
