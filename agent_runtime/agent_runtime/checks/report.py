"""The results of checks, as JSON and as a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from agent_runtime.config.terminal import printable

# The part of a container's termination message that Kubernetes keeps.
MAX_BYTES = 4096
MAX_REASON = 200
_COLOURS = {"passed": "\x1b[32m", "failed": "\x1b[31m", "error": "\x1b[33m"}
_PLAIN = "\x1b[0m"

Outcome = Literal["passed", "failed", "error"]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a check.

    Attributes:
        name: name of the check.
        outcome: failed if the answer does not meet an expectation; error if there is no answer, or no verdict on it.
        reason: the expectations that are not met, or the error; empty if passed. Quotes no answer.
        latency: seconds until the complete answer arrived.
        tokens: that the request used.
    """

    name: str
    outcome: Outcome
    reason: str = ""
    latency: float | None = None
    tokens: int | None = None

    def as_json(self, longest_reason: int = MAX_REASON) -> dict[str, Any]:
        """Return the object in the report."""
        return {
            "name": self.name,
            "outcome": self.outcome,
            "reason": shortened(self.reason, longest_reason),
            "latencySeconds": None if self.latency is None else round(self.latency, 3),
            "tokens": self.tokens,
        }


def shortened(text: str, most: int) -> str:
    """Return the text, cut with an ellipsis if it is longer."""
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"


def report(results: Sequence[Result]) -> dict[str, Any]:
    """Return the complete report; `failed` counts failures and errors."""
    return _head(results) | {"checks": [result.as_json() for result in results]}


def message(results: Sequence[Result]) -> bytes:
    """Return the report in MAX_BYTES: without passed checks, then with shorter reasons, then with fewer checks."""
    return next(text for document in _shorter_and_shorter(results) if len(text := orjson.dumps(document)) <= MAX_BYTES)


def _shorter_and_shorter(results: Sequence[Result]) -> Iterator[dict[str, Any]]:
    yield report(results)
    head, unpassed = _head(results), [result for result in results if result.outcome != "passed"]
    for longest in (MAX_REASON, 120, 80, 40, 20):
        yield head | {"checks": [result.as_json(longest) for result in unpassed]}
    for count in range(len(unpassed), -1, -1):
        yield head | {"checks": [result.as_json(20) for result in unpassed[:count]]}


def _head(results: Sequence[Result]) -> dict[str, Any]:
    failed = sum(result.outcome != "passed" for result in results)
    return {"passed": failed == 0, "total": len(results), "failed": failed}


def table(results: Sequence[Result], *, colours: bool) -> str:
    """Return the report as a table: a line per check, and one with the totals."""
    rows = [("CHECK", "OUTCOME", "LATENCY", "TOKENS", "REASON")] + [_row(result) for result in results]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for name, outcome, latency, tokens, reason in rows:
        cells = (name.ljust(widths[0]), outcome.ljust(widths[1]), latency.rjust(widths[2]), tokens.rjust(widths[3]))
        colour = _COLOURS.get(outcome) if colours else None
        painted = (cells[0], f"{colour}{cells[1]}{_PLAIN}", *cells[2:]) if colour else cells
        lines.append("  ".join((*painted, reason)).rstrip())
    counts = ", ".join(f"{sum(result.outcome == kind for result in results)} {kind}" for kind in _COLOURS)
    return "\n".join((*lines, f"{len(results)} check{'' if len(results) == 1 else 's'}: {counts}", ""))


def _row(result: Result) -> tuple[str, str, str, str, str]:
    latency = "-" if result.latency is None else f"{result.latency:.2f} s"
    tokens = "-" if result.tokens is None else str(result.tokens)
    return result.name, result.outcome, latency, tokens, printable(shortened(result.reason, MAX_REASON))
