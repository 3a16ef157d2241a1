"""The budget of a day."""

from datetime import UTC, datetime, timedelta

import pytest

from agent_runtime.agent.budget import Budget
from agent_runtime.errors import Problem


class Clock:
    """A clock that the test sets."""

    now = datetime(2026, 3, 1, 23, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Shared:
    """A count as Redis would keep it; it can be out of reach."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.reachable = True

    async def add(self, name: str, amount: int, ttl: int) -> int | None:
        if not self.reachable:
            return None
        self.counts[name] = self.counts.get(name, 0) + amount
        return self.counts[name]


def spent(budget: Budget) -> bool:
    """Whether nothing is left."""
    try:
        budget.check()
    except Problem:
        return True
    return False


def test_a_spent_budget_says_when_the_next_begins() -> None:
    """At midnight UTC, an hour from now; then there is a new one."""
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
    """What one used, the other knows after they have exchanged counts; nothing is counted twice."""
    shared, clock = Shared(), Clock()
    one, other = Budget(10, shared, clock), Budget(10, shared, clock)
    one.spend(6)
    other.spend(4)
    assert not spent(one)

    for budget in (one, other, one, other):
        await budget.exchange()

    assert spent(one)
    assert spent(other)
    assert shared.counts == {"budget:2026-03-01": 10}


async def test_what_could_not_be_told_is_told_later() -> None:
    """While the shared count is out of reach, one's own still counts."""
    shared, clock = Shared(), Clock()
    budget = Budget(10, shared, clock)
    shared.reachable = False
    budget.spend(10)
    await budget.exchange()
    assert spent(budget)

    shared.reachable = True
    await budget.exchange()

    assert shared.counts == {"budget:2026-03-01": 10}
    assert spent(budget)
