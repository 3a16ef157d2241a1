"""Rules of Prometheus, and the PrometheusRule objects that contain them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from agent_operator.api.constants import RUNBOOKS

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert.

    Attributes:
        name: also the name of its runbook.
        expr: it fires for each series of this expression.
        lasting: how long the expression must hold, such as 10m.
        severity: critical: callers are affected. warning: they may become so.
        summary: what is wrong, with the labels of the series.
        description: what it means, and what to do first.
    """

    name: str
    expr: str
    lasting: str
    severity: Literal["critical", "warning"]
    summary: str
    description: str

    def as_json(self, runbooks: str) -> Json:
        """Return the rule. `runbooks`: URL of the folder with the runbooks."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasting,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{runbooks}/{self.name}.md",
            },
        }


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that Prometheus computes."""

    name: str
    expr: str

    def as_json(self) -> Json:
        """Return the rule."""
        return {"record": self.name, "expr": self.expr}


def group(name: str, rules: Iterable[Alert | Recording], runbooks: str = RUNBOOKS) -> Json:
    """Return a group of rules, which Prometheus evaluates in this order."""
    found = [rule.as_json(runbooks) if isinstance(rule, Alert) else rule.as_json() for rule in rules]
    return {"name": name, "rules": found}
