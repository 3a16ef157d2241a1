"""status.usage, and the warnings about budgets. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.diagnosis.findings import Diagnosis
from agent_operator.kube.shapes import mappings, number, text

_NEARLY_SPENT, _SPENT = 80, 100


def usage_status(diagnosis: Diagnosis, before: Any, now: str) -> tuple[Mapping[str, Any], ...]:
    """Return status.usage.

    Args:
        diagnosis: what the pods report. While none reports, the entries of the current periods remain.
        before: the current status.usage.
        now: RFC 3339 in UTC.
    """
    if diagnosis.usage is not None:
        return tuple(use.as_status() for use in diagnosis.usage)
    return tuple(entry for entry in mappings(before) if (period := _period(entry)) and now.startswith(period))


def _period(entry: Mapping[str, Any]) -> str:
    """Return what the times of the period begin with: the day, or year and month."""
    since = text(entry.get("since"))
    return since if text(entry.get("budget")).endswith("Day") else since[: len("2026-11")]


def usage_warnings(usage: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    """Yield a warning for each budget that is nearly or completely used up. It does not change with each percent."""
    for entry in usage:
        percent, budget = number(entry.get("usedPercent")), text(entry.get("budget"))
        field, period = f"spec.config.budget.{budget}", "day" if budget.endswith("Day") else "month"
        if percent >= _SPENT:
            message = (
                f"the budget is used up, so requests get 429 until the next {period} begins (UTC): raise it, or wait"
            )
            yield Problem(Reason.BUDGET_SPENT, field, message)
        elif percent >= _NEARLY_SPENT:
            message = (
                f"at least 80 % of the budget is used, and at 100 % requests get 429 until the next {period} begins "
                "(UTC): raise it, or limit callers with config.limits.requestsPerMinute"
            )
            yield Problem(Reason.BUDGET_NEARLY_SPENT, field, message)
