"""The daily token budget. Replicas that share a Redis count together."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from agent_runtime.errors import Problem

# Seconds between exchanges of counts with the other replicas.
INTERVAL = 1.0
TWO_DAYS = 172_800


class SharedCounter(Protocol):
    """Counts that all replicas share."""

    async def add(self, name: str, amount: int, ttl: int) -> int | None:
        """Add to a count, which expires after `ttl` seconds. Return its new value; None if it is unreachable."""
        ...


class Budget:
    """The tokens that the agent may use until midnight UTC."""

    def __init__(
        self, per_day: int, counter: SharedCounter | None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._per_day = per_day
        self._counter = counter
        self._clock = clock
        self._day = clock().date()
        # Tokens of all replicas, as of the last exchange.
        self._used = 0
        # Tokens of this replica since the last exchange.
        self._unreported = 0

    def check(self) -> None:
        """Check that tokens are left. The request that exceeds the budget is still answered.

        Raises:
            Problem: the budget is used up. Its retry_after is the time until midnight.
        """
        self._reset_daily()
        if self._used + self._unreported >= self._per_day:
            now = self._clock()
            midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
            detail = f"The daily budget of {self._per_day} tokens is used up: retry after midnight UTC"
            raise Problem(429, "budget_spent", detail, retry_after=(midnight - now).total_seconds())

    def spend(self, tokens: int) -> None:
        """Subtract tokens that a request has used from the budget."""
        self._reset_daily()
        self._unreported += tokens

    async def watch(self) -> None:
        """Exchange counts with the other replicas in a loop that never returns."""
        while True:
            await self.exchange()
            await asyncio.sleep(INTERVAL)

    async def exchange(self) -> None:
        """Add the tokens of this replica to the shared count, and read the sum of all replicas."""
        day, reported = self._day, self._unreported
        if self._counter is None:
            return
        total = await self._counter.add(f"budget:{day.isoformat()}", reported, TWO_DAYS)
        if total is not None and day == self._day:
            self._used = total
            self._unreported -= reported

    def _reset_daily(self) -> None:
        if (today := self._clock().date()) != self._day:
            self._day, self._used, self._unreported = today, 0, 0
