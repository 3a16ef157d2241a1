"""The rows of `agentctl list`."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agentctl.cluster import fleet

Object = dict[str, Any]
NOW = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)
CANARY = {"canary": {"revision": "new", "step": 1, "weight": 40, "phase": "Watching", "since": "x", "message": "fine"}}
STEPS = {"rollout": {"canary": {"steps": [{"weight": 20}, {"weight": 40}, {"weight": 80}]}}}


def ready(status: str, reason: str = "Ready", message: str = "details") -> Object:
    return {"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": message}]}


def agent(spec: Object, status: Object, **metadata: Any) -> Object:
    meta = {"name": "web", "namespace": "team", "generation": 2, "creationTimestamp": "2026-11-23T07:30:00Z"}
    return {"metadata": meta | metadata, "spec": spec, "status": {"observedGeneration": 2} | status}


@pytest.mark.parametrize(
    ("spec", "status", "phase", "colour", "message"),
    [
        ({}, ready("True"), "Ready", "green", "details"),
        ({}, ready("True", "ScaledToZero"), "Ready", "green", "details"),
        ({}, ready("False", "RollingOut"), "RollingOut", "yellow", "details"),
        ({}, ready("False", "CrashLoop"), "CrashLoop", "red", "details"),
        ({}, {}, "Pending", "red", ""),
        (
            {},
            ready("True") | {"observedGeneration": 1},
            "Pending",
            "yellow",
            "the operator has not observed the latest",
        ),
        ({"suspend": True}, ready("True"), "Suspended", "yellow", "set spec.suspend to false"),
        (STEPS, ready("False", "Canary") | {"rollout": CANARY}, "Canary 2/3, 40 %", "yellow", "fine"),
        ({}, ready("False") | {"rollout": CANARY | {"paused": True}}, "Canary 2/1, 40 %, paused", "yellow", "fine"),
    ],
)
def test_the_phase_names_what_the_agent_does(
    spec: Object, status: Object, phase: str, colour: str, message: str
) -> None:
    state, text = fleet.phase(agent(spec, status))

    assert (state.text, state.colour) == (phase, colour)
    assert text.startswith(message)


def test_an_agent_without_status_or_with_hostile_values_has_a_row() -> None:
    bare = fleet.row({"metadata": {"name": "web"}, "spec": None})
    deleted = fleet.row(agent({}, {}, deletionTimestamp="2026-11-23T07:30:00Z"))

    assert bare.cells(NOW, with_namespace=True)[:2] == ("", "web")
    assert bare.age(NOW) == ""
    assert deleted.phase.text == "Terminating"


def test_rows_are_sorted_and_have_the_columns_of_the_header() -> None:
    status = ready("True") | {"runtimeVersion": "sha256:" + "a" * 64, "ready": "2/2", "model": "gpt"}
    agents = [agent({"runtime": {"channel": "stable"}}, status, name=name) for name in ("web", "bot")]

    found = [row.cells(NOW, with_namespace=False) for row in fleet.rows(agents)]

    assert [cells[0] for cells in found] == ["bot", "web"]
    assert all(len(cells) == len(fleet.HEADER) for cells in found)
    assert found[0][1:2] + found[0][3:] == ("sha256:aaaaaaaaaaaaaaaa…", "2/2", "gpt", "stable", "30m")
