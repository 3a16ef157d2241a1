"""status.usage, and the warnings about budgets."""

from typing import Any

import pytest

from agent_operator.api.v1alpha1.status import BudgetUsage
from agent_operator.diagnosis.findings import UNKNOWN, Diagnosis
from agent_operator.diagnosis.usage import BudgetUse
from agent_operator.status.usage import usage_status, usage_warnings

NOW = "2026-11-27T21:00:00Z"
TODAY = {"budget": "tokensPerDay", "since": "2026-11-27", "limit": "1000", "used": "850", "usedPercent": 85}
MONTH = TODAY | {"budget": "costPerMonth", "since": "2026-11-01"}
YESTERDAY = TODAY | {"since": "2026-11-26"}
OCTOBER = MONTH | {"since": "2026-10-01"}


@pytest.mark.parametrize(
    ("diagnosis", "before", "after"),
    [
        (Diagnosis((), usage=(BudgetUse("tokensPerDay", "2026-11-27", 85, 1_000),)), [YESTERDAY], (TODAY,)),
        (Diagnosis((), usage=()), [TODAY], ()),
        # After a restart of the operator, and while no pod runs, what is known of the current periods remains.
        (UNKNOWN, [TODAY, MONTH], (TODAY, MONTH)),
        (UNKNOWN, [YESTERDAY, OCTOBER, MONTH], (MONTH,)),
        (UNKNOWN, None, ()),
        (UNKNOWN, ["x", {"since": 3}, {}], ()),
    ],
)
def test_usage_is_that_of_the_last_report(diagnosis: Diagnosis, before: Any, after: tuple[Any, ...]) -> None:
    assert usage_status(diagnosis, before, NOW) == after


@pytest.mark.parametrize(
    ("percent", "reasons"),
    [
        (0, []),
        (75, []),
        (80, ["BudgetNearlySpent"]),
        (95, ["BudgetNearlySpent"]),
        (100, ["BudgetSpent"]),
        (1_000, ["BudgetSpent"]),
    ],
)
def test_a_budget_warns_at_80_and_at_100_percent(percent: int, reasons: list[str]) -> None:
    found = list(usage_warnings([TODAY | {"usedPercent": percent}]))

    assert [problem.reason for problem in found] == reasons
    assert all(problem.field == "spec.config.budget.tokensPerDay" for problem in found)


def test_the_warning_does_not_change_between_80_and_100_percent() -> None:
    assert len({tuple(usage_warnings([MONTH | {"usedPercent": percent}])) for percent in (80, 85, 95)}) == 1


def test_the_entries_match_the_schema() -> None:
    use = BudgetUse("costPerDay", "2026-11-27", 1_000, 10**18).as_status()
    assert BudgetUsage.model_validate(use).model_dump(by_alias=True) == use
