"""The results of runs, and how a run with a fault differs from one without. Pure."""

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.faults.campaign.traffic import Traffic, masked_name
from tests.faults.cluster import EndState
from tests.faults.proxy import Write

_ROLLOUTS = re.compile(r'"deployment\.kubernetes\.io/revision": "[0-9]+"')
_HASH = re.compile(r"\b[0-9a-f]{10}\b")


@dataclass(frozen=True)
class Run:
    """A run of a scenario.

    Attributes:
        traffic: of the operator since the change.
        end: the end state.
        destructive: deletes, numbers of replicas and rollbacks that the operator wrote.
        passes: over the agent until the end state.
        seconds: of the loop's clock until the end state.
        writes: to the agent and its children.
        restarts: of the operator.
        reached: whether the fault was injected.
    """

    traffic: Traffic
    end: EndState
    destructive: frozenset[str]
    passes: int
    seconds: float
    writes: int
    restarts: int
    reached: bool


@dataclass(frozen=True)
class Outcome:
    """The result of a cell.

    Attributes:
        row: of the table.
        cell: name of the cell.
        problem: how the run differs from the one without faults; empty when it passed.
        reached: whether the fault was injected.
    """

    row: str
    cell: str
    problem: str = ""
    reached: bool = True
    passes: int = 0
    seconds: float = 0.0
    writes: int = 0
    restarts: int = 0


def outcome(row: str, cell: str, run: Run, expected: Run, errors: Iterable[str] = ()) -> Outcome:
    """Compare a run with the one without faults."""
    problem = "\n".join([*differences(run, expected), *errors])
    return Outcome(row, cell, problem, run.reached, run.passes, run.seconds, run.writes, run.restarts)


def differences(run: Run, expected: Run) -> Iterator[str]:
    """Yield what is wrong with a run."""
    yield from different_values("status", run.end.status, expected.end.status)
    yield from different_values("child", run.end.children, expected.end.children)
    if run.end.created != expected.end.created:
        yield f"created {_changed(run.end.created.items(), expected.end.created.items())}"
    if run.end.deleted != expected.end.deleted:
        yield f"deleted {_changed(run.end.deleted, expected.end.deleted)}"
    if more := run.destructive - expected.destructive:
        yield f"destructive writes: {', '.join(sorted(more))}"


def different_values(what: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            yield f"{what} {name}: {_difference(found.get(name), wanted.get(name))}"


def _difference(found: Any, wanted: Any) -> str:
    """Return the lines that differ."""
    texts = [value if isinstance(value, str) else json.dumps(value, indent=1) for value in (wanted, found)]
    before, after = (text.splitlines() for text in texts)
    lines = list(difflib.unified_diff(before, after, lineterm="", n=1))
    return "\n".join(lines[2:])


def without_hashes(end: EndState) -> EndState:
    """Return an end state without hashes of contents."""
    children = {masked_name(name): _HASH.sub("HASH", text) for name, text in end.children.items()}
    status = json.loads(_HASH.sub("HASH", json.dumps(end.status)))
    created: Counter[str] = Counter()
    for name, number in end.created.items():
        created[masked_name(name)] += number
    return EndState(children, status, created, {masked_name(name) for name in end.deleted})


def without_rollouts(text: str) -> str:
    """Return a child as text without the number of rollouts of a Deployment."""
    return _ROLLOUTS.sub("", text)


def without_counts(run: Run) -> Run:
    """Return a run without the number of rollouts of its Deployments and of creates of each object."""
    children = {name: without_rollouts(text) for name, text in run.end.children.items()}
    return replace(run, end=replace(run.end, children=children, created=Counter(set(run.end.created))))


def _changed(found: Iterable[Any], wanted: Iterable[Any]) -> str:
    more, less = set(found) - set(wanted), set(wanted) - set(found)
    return f"{sorted(more)} too much, {sorted(less)} too little"


def destructive(writes: Iterable[Write]) -> frozenset[str]:
    """Return the deletes, the numbers of replicas and the rollbacks among writes."""
    return frozenset(text for write in writes if (text := _destruction(write)))


def _destruction(write: Write) -> str:
    if not 200 <= write.status < 300:
        return ""
    name = masked_name(re.sub(r"/namespaces/[^/]+", "", write.path))
    if write.method == "DELETE":
        return f"delete {name}"
    body = json.loads(write.body) if write.body else {}
    if not isinstance(body, dict):
        return ""
    if body.get("kind") == "Deployment" and "replicas" in (body.get("spec") or {}):
        return f"{name} replicas={body['spec']['replicas']}"
    rollout = (body.get("status") or {}).get("rollout") or {}
    return f"{name} rolled back" if rollout.get("rolledBack") else ""
