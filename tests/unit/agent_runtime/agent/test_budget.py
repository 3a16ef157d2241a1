"""The daily token budget."""

from datetime import UTC, datetime, timedelta

import pytest

from agent_runtime.agent.budget import Budget
from agent_runtime.errors import Problem


class Clock:
    """A clock that the test sets."""

    now = datetime(2026, 3, 1, 23, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class FakeCounter:
    """The shared counts. They can be unreachable, like Redis."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.reachable = True

    async def add(self, name: str, amount: int, ttl: int) -> int | None:
        if not self.reachable:
            return None
        self.counts[name] = self.counts.get(name, 0) + amount
        return self.counts[name]


def spent(budget: Budget) -> bool:
    """Return whether the budget is used up."""
    try:
        budget.check()
    except Problem:
        return True
    return False


def test_retry_after_is_the_time_until_midnight_utc() -> None:
    """At midnight the budget is available again."""
    clock = Clock()
    budget = Budget(10, None, clock)
    budget.spend(9)
    budget.check()
    budget.spend(1)

    with pytest.raises(Problem) as raised:
        budget.check()
    assert (raised.value.status, raised.value.code, raised.value.retry_after) == (429, "budget_spent", 3600)

    clock.now += timedelta(hours=1)
    budget.check()


async def test_replicas_count_together() -> None:
    """After an exchange, each replica knows the sum. Nothing is counted twice."""
    shared, clock = FakeCounter(), Clock()
    one, other = Budget(10, shared, clock), Budget(10, shared, clock)
    one.spend(6)
    other.spend(4)
    assert not spent(one)

    for budget in (one, other, one, other):
        await budget.exchange()

    assert spent(one)
    assert spent(other)
    assert shared.counts == {"budget:2026-03-01": 10}


async def test_unreported_tokens_are_reported_later() -> None:
    """While the shared count is unreachable, a replica still counts its own tokens."""
    shared, clock = FakeCounter(), Clock()
    budget = Budget(10, shared, clock)
    shared.reachable = False
    budget.spend(10)
    await budget.exchange()
    assert spent(budget)

    shared.reachable = True
    await budget.exchange()

    assert shared.counts == {"budget:2026-03-01": 10}
    assert spent(budget)
