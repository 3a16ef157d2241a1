"""Tokens a day, counted over all replicas when they share a Redis."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from agent_runtime.errors import Problem

# How often replicas tell each other what they have used, in seconds.
INTERVAL = 1.0
TWO_DAYS = 172_800

log = logging.getLogger(__name__)


class Counter(Protocol):
    """Counts shared by all replicas."""

    async def add(self, name: str, amount: int, ttl: int) -> int | None:
        """Add to a count that is forgotten after `ttl` seconds; its value then, None when it cannot be reached."""
        ...


class Budget:
    """How many tokens the agent may use until midnight UTC."""

    def __init__(
        self, per_day: int, counter: Counter | None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._per_day = per_day
        self._counter = counter
        self._clock = clock
        self._day = clock().date()
        self._used = 0
        self._untold = 0

    def check(self) -> None:
        """Look whether there is something left. The request that crosses the line is still answered.

        Raises:
            Problem: the budget is spent; says when the next one begins.
        """
        self._turn_the_page()
        if self._used + self._untold >= self._per_day:
            now = self._clock()
            midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
            detail = f"The agent has used its {self._per_day} tokens of today; the next are there at midnight UTC"
            raise Problem(429, "budget_spent", detail, retry_after=(midnight - now).total_seconds())

    def spend(self, tokens: int) -> None:
        """Count tokens that were used."""
        self._turn_the_page()
        self._untold += tokens

    async def watch(self) -> None:
        """Exchange counts with the other replicas for ever."""
        while True:
            await self.exchange()
            await asyncio.sleep(INTERVAL)

    async def exchange(self) -> None:
        """Tell the shared count what was used here, and learn what was used everywhere."""
        day, told = self._day, self._untold
        if self._counter is None:
            return
        total = await self._counter.add(f"budget:{day.isoformat()}", told, TWO_DAYS)
        if total is not None and day == self._day:
            self._used = total
            self._untold -= told

    def _turn_the_page(self) -> None:
        if (today := self._clock().date()) != self._day:
            self._day, self._used, self._untold = today, 0, 0
