"""The budgets in the report of a pod, which any program in the pod may write."""

import json
import math
from typing import Any

import pytest

from agent_operator.diagnosis.findings import PodReport, parse_report
from agent_operator.diagnosis.usage import BudgetUse, merge_usage, parse_usage

HOSTILE_AMOUNTS: tuple[Any, ...] = (-1, 10**18 + 1, 10**300, 1.5, math.nan, math.inf, True, "9", None, [1], {})
USE = BudgetUse("tokensPerDay", "2026-11-27", 40, 1_000)


def entry(used: Any = 400, **fields: Any) -> dict[str, Any]:
    return {"unit": "tokens", "period": "day", "since": "2026-11-27", "limit": 1_000, "used": used} | fields


def parse(*entries: Any) -> PodReport:
    body = {"components": [{"name": "gpt", "status": "healthy"}], "budgets": entries}
    return parse_report("a-1", json.dumps(body).encode())


@pytest.mark.parametrize(
    ("used", "percent"),
    [(0, 0), (49, 0), (50, 5), (799, 75), (800, 80), (999, 95), (1_000, 100), (1_049, 100), (10**18, 1_000)],
)
def test_the_share_is_rounded_down(used: int, percent: int) -> None:
    """Each change of the share is a write of the status."""
    (use,) = parse(entry(used)).usage
    assert use.percent == percent


@pytest.mark.parametrize(
    "hostile",
    [
        *[entry(value) for value in HOSTILE_AMOUNTS],
        *[entry(limit=value) for value in (0, -5, 10**19, math.nan, False, "1000", None)],
        *[entry(since=value) for value in ("", "today", "2026-11-27\n", "2026-11-27" * 5_000, "\u0662026-11-27", 3)],
        entry(unit="seconds"),
        entry(unit=["tokens"]),
        entry(period="year"),
        entry(period={"day": 1}),
        {},
        "text",
        None,
        [entry()],
    ],
)
def test_a_hostile_entry_is_ignored_and_the_others_count(hostile: Any) -> None:
    assert parse(hostile).usage == ()
    assert parse(hostile, entry()).usage == (USE,)


@pytest.mark.parametrize("other", [None, 5, "x", {"unit": "tokens"}, [], [[]]])
def test_a_report_without_budgets_has_no_usage(other: Any) -> None:
    assert parse_usage(other) == ()


def test_many_entries_are_bounded() -> None:
    assert len(merge_usage([parse(*(entry(used) for used in range(600))).usage])) == 1
    assert len(parse(*[entry()] * 600).usage) == 16


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([], ()),
        ([(), (USE,)], (USE,)),
        ([(BudgetUse("tokensPerDay", "2026-11-27", 35, 9_000),), (USE,)], (USE,)),
        # The pod that has already begun the next day counts, although it has used less.
        (
            [(USE,), (BudgetUse("tokensPerDay", "2026-11-28", 0, 1_000),)],
            (BudgetUse("tokensPerDay", "2026-11-28", 0, 1_000),),
        ),
        (
            [(BudgetUse("costPerMonth", "2026-11-01", 5, 9),), (USE,)],
            (USE, BudgetUse("costPerMonth", "2026-11-01", 5, 9)),
        ),
    ],
)
def test_the_pod_that_has_used_most_counts(
    reports: list[tuple[BudgetUse, ...]], expected: tuple[BudgetUse, ...]
) -> None:
    assert merge_usage(reports) == merge_usage(reversed(reports)) == expected


@pytest.mark.parametrize(
    ("budget", "limit", "percent", "amounts"),
    [
        ("tokensPerMonth", 30_000_000, 80, ("30000000", "24000000")),
        ("costPerDay", 10_000_000, 85, ("10", "8.5")),
        ("costPerMonth", 200_000_000, 0, ("200", "0")),
        ("costPerDay", 1, 100, ("0.000001", "0.000001")),
    ],
)
def test_amounts_are_decimal(budget: str, limit: int, percent: int, amounts: tuple[str, str]) -> None:
    status = BudgetUse(budget, "2026-11-01", percent, limit).as_status()
    assert (status["limit"], status["used"]) == amounts
