"""The tables of the campaign: of faults, and of mutations. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.faults.campaign.mutation_runner import MutationOutcome
from tests.faults.campaign.results import Outcome

_HEAD = ("fault", "cells", "passed", "failed", "not reached", "passes", "seconds", "writes", "restarts")
_MUTATION_HEAD = ("field", "leaves", "mutations", "refused", "failed")


@dataclass(frozen=True)
class Row:
    """The results of the cells of one fault.

    Attributes:
        unreached: cells whose request or event did not occur, because the run took another course.
        passes: most passes over the agent until the end state.
        seconds: longest time until the end state.
        writes: most writes.
        restarts: most restarts of the operator.
    """

    fault: str
    cells: int
    failed: int
    unreached: int
    passes: int
    seconds: float
    writes: int
    restarts: int

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON can express it."""
        return asdict(self)


def row(fault: str, outcomes: Iterable[Outcome]) -> Row:
    """Summarize the outcomes of a row."""
    found = list(outcomes)
    failed = sum(bool(item.problem) for item in found)
    unreached = sum(not item.reached and not item.problem for item in found)
    return Row(
        fault,
        len(found),
        failed,
        unreached,
        max((item.passes for item in found), default=0),
        max((item.seconds for item in found), default=0.0),
        max((item.writes for item in found), default=0),
        max((item.restarts for item in found), default=0),
    )


def lines(rows: Iterable[Row]) -> list[str]:
    """Return the table in Markdown, with the sum of all rows."""
    found = list(rows)
    total = Row(
        "all",
        sum(item.cells for item in found),
        sum(item.failed for item in found),
        sum(item.unreached for item in found),
        max((item.passes for item in found), default=0),
        max((item.seconds for item in found), default=0.0),
        max((item.writes for item in found), default=0),
        max((item.restarts for item in found), default=0),
    )
    return _markdown(_HEAD, [_cells(item) for item in [*found, total]])


def mutation_row(field: str, leaves: int, outcomes: Iterable[MutationOutcome]) -> dict[str, Any]:
    """Summarize the mutations of a field and of the fields in it, as JSON can express it."""
    found = list(outcomes)
    numbers = (leaves, len(found), sum(it.refused for it in found), sum(bool(it.problem) for it in found))
    return dict(zip(_MUTATION_HEAD, (field, *numbers), strict=True))


def mutation_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the table of mutations in Markdown, with the sum of all rows."""
    found = list(rows)
    total = {"field": "all"} | {name: sum(row[name] for row in found) for name in _MUTATION_HEAD[1:]}
    return _markdown(_MUTATION_HEAD, [tuple(str(row[name]) for name in _MUTATION_HEAD) for row in [*found, total]])


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    texts = [head, ["---", *("---:" for _ in head[1:])], *rows]
    widths = [max(len(text[column]) for text in texts) for column in range(len(head))]
    return [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in texts
    ]


def _cells(item: Row) -> tuple[str, ...]:
    passed = item.cells - item.failed - item.unreached
    numbers = (item.cells, passed, item.failed, item.unreached, item.passes)
    return (item.fault, *map(str, numbers), f"{item.seconds:.0f}", str(item.writes), str(item.restarts))
