"""The daily token budget."""

from datetime import UTC, datetime, timedelta

import pytest

from agent_runtime.agent.budget import Budget
from agent_runtime.config import BudgetConfig
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
    budget = Budget(BudgetConfig(tokens_per_day=10), None, clock)
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
    one, other = (
        Budget(BudgetConfig(tokens_per_day=10), shared, clock),
        Budget(BudgetConfig(tokens_per_day=10), shared, clock),
    )
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
    budget = Budget(BudgetConfig(tokens_per_day=10), shared, clock)
    shared.reachable = False
    budget.spend(10)
    await budget.exchange()
    assert spent(budget)

    shared.reachable = True
    await budget.exchange()

    assert shared.counts == {"budget:2026-03-01": 10}
    assert spent(budget)


@pytest.mark.parametrize(
    ("limit", "tokens", "cost", "seconds", "detail"),
    [
        ({"tokens_per_day": 10}, 10, 0.0, 3600, "The daily budget of 10 tokens is used up: retry after midnight UTC"),
        (
            {"tokens_per_month": 10},
            10,
            0.0,
            31 * 86400 - 23 * 3600,
            "The monthly budget of 10 tokens is used up: retry after April 1, midnight UTC",
        ),
        ({"cost_per_day": 0.5}, 0, 0.5, 3600, "The daily budget of 0.5 (cost) is used up: retry after midnight UTC"),
        (
            {"cost_per_month": 1.25, "tokens_per_day": 10},
            9,
            1.25,
            31 * 86400 - 23 * 3600,
            "The monthly budget of 1.25 (cost) is used up: retry after April 1, midnight UTC",
        ),
    ],
)
def test_a_budget_in_tokens_or_money_lasts_until_its_period_ends(
    limit: dict[str, float], tokens: int, cost: float, seconds: int, detail: str
) -> None:
    clock = Clock()
    budget = Budget(BudgetConfig.model_validate(limit), None, clock)
    budget.spend(0, cost * 0.9)
    budget.spend(max(tokens - 1, 0))
    budget.check()
    budget.spend(1 if tokens == 10 else 0, cost * 0.1)

    with pytest.raises(Problem) as raised:
        budget.check()
    assert (raised.value.code, raised.value.retry_after, raised.value.detail) == ("budget_spent", seconds, detail)
    assert max(it.used_share() for it in budget.allowances) == pytest.approx(1, abs=1e-5)

    clock.now += timedelta(seconds=seconds)
    budget.check()
    assert {it.used for it in budget.allowances} == {0}


async def test_each_budget_has_a_shared_count_of_its_own() -> None:
    shared = FakeCounter()
    limits = {"tokens_per_day": 9, "tokens_per_month": 9, "cost_per_day": 9, "cost_per_month": 9}
    one, other = (Budget(BudgetConfig.model_validate(limits), shared, Clock()) for _ in range(2))
    one.spend(2)
    one.spend(0, 0.000003)
    await one.exchange()
    await other.exchange()

    assert shared.counts == {
        "budget:2026-03-01": 2,
        "budget:2026-03": 2,
        "budget:cost:2026-03-01": 3,
        "budget:cost:2026-03": 3,
    }
    assert [it.used for it in other.allowances] == [2, 2, 3, 3]
