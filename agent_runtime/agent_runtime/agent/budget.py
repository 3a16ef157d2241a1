"""The budgets of an agent, in tokens or money, per day or month. Replicas that share a Redis count together."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Protocol

from agent_runtime.config import BudgetConfig
from agent_runtime.config.prices import MILLION, micros
from agent_runtime.errors import Problem

# Seconds between exchanges of counts with the other replicas.
INTERVAL = 1.0
# Seconds after which a count expires. It is longer than its period.
_LIFETIMES = {"day": 172_800, "month": 33 * 86_400}
Unit = Literal["tokens", "cost"]
Period = Literal["day", "month"]


class SharedCounter(Protocol):
    """Counts that all replicas share."""

    async def add(self, name: str, amount: int, ttl: int) -> int | None:
        """Add to a count, which expires after `ttl` seconds. Return its new value; None if it is unreachable."""
        ...


class Allowance:
    """What the agent may use in one period.

    Attributes:
        unit: tokens, or cost in millionths of the currency.
        period: day or month, in UTC.
        limit: of the unit.
    """

    def __init__(self, unit: Unit, period: Period, limit: int, clock: Callable[[], datetime]) -> None:
        self.unit, self.period, self.limit = unit, period, limit
        self._clock = clock
        self._began = self._first_day()
        # The count of all replicas, as of the last exchange.
        self._used = 0
        # The count of this replica since the last exchange.
        self._unreported = 0

    @property
    def used(self) -> int:
        """What the replicas have used in this period, as far as this one knows."""
        self._start_period()
        return self._used + self._unreported

    def used_share(self) -> float:
        """Return what is used, as a share of the limit. It may exceed 1, because the last request is answered."""
        return self.used / self.limit

    def as_json(self) -> dict[str, str | int]:
        """Return the entry of this allowance in the response of /health on the metrics port."""
        used = self.used
        since = self._began.isoformat()
        return {"unit": self.unit, "period": self.period, "since": since, "limit": self.limit, "used": used}

    def spend(self, amount: int) -> None:
        """Count what a request has used."""
        self._start_period()
        self._unreported += amount

    def check(self) -> None:
        """Check that something is left.

        Raises:
            Problem: the allowance is used up. Its retry_after is the time until the next period.
        """
        if self.used < self.limit:
            return
        now = self._clock()
        end = datetime.combine(self._next(), datetime.min.time(), UTC)
        amount = f"{self.limit} tokens" if self.unit == "tokens" else f"{self.limit / MILLION:g} (cost)"
        name, start = ("daily", "midnight") if self.period == "day" else ("monthly", f"{self._next():%B} 1, midnight")
        detail = f"The {name} budget of {amount} is used up: retry after {start} UTC"
        raise Problem(429, "budget_spent", detail, retry_after=(end - now).total_seconds())

    async def exchange(self, counter: SharedCounter) -> None:
        """Add the count of this replica to the shared count, and read the sum of all replicas."""
        began, reported = self._began, self._unreported
        total = await counter.add(self._key(began), reported, _LIFETIMES[self.period])
        if total is not None and began == self._began:
            self._used = total
            self._unreported -= reported

    def _key(self, began: date) -> str:
        unit = "" if self.unit == "tokens" else f"{self.unit}:"
        return f"budget:{unit}{began.isoformat()}" if self.period == "day" else f"budget:{unit}{began:%Y-%m}"

    def _first_day(self) -> date:
        today = self._clock().date()
        return today if self.period == "day" else today.replace(day=1)

    def _next(self) -> date:
        if self.period == "day":
            return self._began + timedelta(days=1)
        return (self._began + timedelta(days=32)).replace(day=1)

    def _start_period(self) -> None:
        if (began := self._first_day()) != self._began:
            self._began, self._used, self._unreported = began, 0, 0


class Budget:
    """All allowances of the agent. The request that exceeds one is still answered."""

    def __init__(
        self,
        config: BudgetConfig,
        counter: SharedCounter | None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.allowances = tuple(Allowance(*limit, clock) for limit in _limits(config))
        self._counter = counter

    def check(self) -> None:
        """Check that something of each allowance is left.

        Raises:
            Problem: one is used up.
        """
        for allowance in self.allowances:
            allowance.check()

    def spend(self, tokens: int, cost: float = 0.0) -> None:
        """Subtract what a request has used. `cost`: in the currency of the prices."""
        for allowance in self.allowances:
            allowance.spend(tokens if allowance.unit == "tokens" else micros(cost))

    async def watch(self) -> None:
        """Exchange counts with the other replicas in a loop that never returns."""
        while True:
            await self.exchange()
            await asyncio.sleep(INTERVAL)

    async def exchange(self) -> None:
        """Add the counts of this replica to the shared ones."""
        if self._counter is None:
            return
        for allowance in self.allowances:
            await allowance.exchange(self._counter)


def _limits(config: BudgetConfig) -> Iterator[tuple[Unit, Period, int]]:
    if config.tokens_per_day is not None:
        yield "tokens", "day", config.tokens_per_day
    if config.tokens_per_month is not None:
        yield "tokens", "month", config.tokens_per_month
    if config.cost_per_day is not None:
        yield "cost", "day", micros(config.cost_per_day)
    if config.cost_per_month is not None:
        yield "cost", "month", micros(config.cost_per_month)
