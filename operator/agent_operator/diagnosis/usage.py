"""How much of its budgets an agent has used, as its pods report it. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeGuard

from agent_operator.kube.shapes import mappings, text

# Fields of spec.config.budget by unit and period, in the order of the status.
_BUDGETS: Mapping[tuple[str, str], str] = {
    ("tokens", "day"): "tokensPerDay",
    ("tokens", "month"): "tokensPerMonth",
    ("cost", "day"): "costPerDay",
    ("cost", "month"): "costPerMonth",
}
# Percents to which the usage is rounded down, so that a budget changes the status at most 20 times per period.
_STEP = 5
_MOST_PERCENT = 1_000
_MOST_ENTRIES = 16
_LARGEST = 10**18
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """How much of a budget is used.

    Attributes:
        budget: field of spec.config.budget.
        since: first day of the period, in UTC, such as 2026-11-01.
        percent: used share of the limit, rounded down.
        limit: tokens, or millionths of the currency.
    """

    budget: str
    since: str
    percent: int
    limit: int

    def as_status(self) -> dict[str, Any]:
        """Return the entry of status.usage."""
        return {
            "budget": self.budget,
            "since": self.since,
            "limit": self._amount(self.limit),
            "used": self._amount(self.limit * self.percent // 100),
            "usedPercent": self.percent,
        }

    def _amount(self, count: int) -> str:
        if self.budget.startswith("tokens"):
            return str(count)
        whole, rest = divmod(count, _MILLION)
        return f"{whole}.{rest:06}".rstrip("0").rstrip(".")


def parse_usage(reported: Any) -> tuple[BudgetUse, ...]:
    """Return the budgets in the response of a pod to /health. Any program may have written it."""
    found = (_parse(entry) for entry in islice(mappings(reported), _MOST_ENTRIES))
    return tuple(use for use in found if use is not None)


def _parse(entry: Mapping[str, Any]) -> BudgetUse | None:
    budget = _BUDGETS.get((text(entry.get("unit")), text(entry.get("period"))))
    since, limit, used = text(entry.get("since")), entry.get("limit"), entry.get("used")
    if budget is None or not _DAY.fullmatch(since) or not (_is_amount(limit) and _is_amount(used) and limit):
        return None
    percent = min(used * 100 // limit // _STEP * _STEP, _MOST_PERCENT)
    return BudgetUse(budget, since, percent, limit)


def _is_amount(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def merge_usage(reports: Iterable[tuple[BudgetUse, ...]]) -> tuple[BudgetUse, ...]:
    """Return the highest usage of each budget that a pod reports.

    Pods that share a Redis all report the sum. Otherwise each pod counts separately against the whole limit, and the
    highest count says when the first one refuses requests. After midnight, reports of the former period do not count.
    """
    found: dict[str, BudgetUse] = {}
    for use in (use for report in reports for use in report):
        found[use.budget] = max(found.get(use.budget, use), use, key=lambda it: (it.since, it.percent, it.limit))
    return tuple(found[budget] for budget in _BUDGETS.values() if budget in found)
