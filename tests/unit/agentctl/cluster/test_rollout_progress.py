"""The verdict, the summary and the canary steps of a rollout."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from agentctl.cluster import rollout_progress
from agentctl.cluster.rollout_progress import Verdict

READY = {"type": "Ready", "status": "True", "reason": "Ready", "message": "2 of 2 pods are ready"}
NOT_READY = {"type": "Ready", "status": "False", "reason": "RolledBack", "message": "another revision"}
COMPLETE = {"type": "Progressing", "status": "False", "reason": "RolloutComplete", "message": "all"}
CANARY = {"revision": "new", "step": 1, "weight": 50, "phase": "Watching", "since": "2026-01-01T00:00:00Z"}
STEPS = [{"weight": 20}, {"weight": 50, "pause": {"durationSeconds": 90}}, {"weight": 80, "pause": {}}]


def make_status(*conditions: dict[str, Any], rollout: Any = None, observed: int = 2, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "support", "namespace": "team", "generation": 2},
        "spec": spec,
        "status": {
            "observedGeneration": observed,
            "revision": "old",
            "ready": "2/2",
            "conditions": list(conditions),
            "rollout": rollout or {},
        },
    }


def rolled_back(*, manual: bool | None = None) -> dict[str, Any]:
    rolled_back = {"revision": "new", "to": "old", "reason": "CrashLoop", "message": "m", "time": "t", "manual": manual}
    return {"rolledBack": rolled_back}


def progressing(reason: str, *, status: str = "False") -> dict[str, Any]:
    return {"type": "Progressing", "status": status, "reason": reason, "message": f"message of {reason}"}


def stalled(reason: str) -> dict[str, Any]:
    return {"type": "Stalled", "status": "True", "reason": reason, "message": "m"}


@pytest.mark.parametrize(
    ("agent", "verdict"),
    [
        (make_status(READY, COMPLETE), Verdict.COMPLETE),
        (make_status(READY, COMPLETE, observed=1), Verdict.UNDER_WAY),
        (make_status(progressing("RollingOut", status="True")), Verdict.UNDER_WAY),
        (make_status(READY, progressing("RolledBack"), stalled("RolledBack"), rollout=rolled_back()), Verdict.FAILED),
        # The pods of the earlier revision are not ready yet.
        (make_status(progressing("RolledBack"), rollout=rolled_back()), Verdict.FAILED),
        (make_status(NOT_READY, stalled("RolledBack"), rollout=rolled_back(manual=True)), Verdict.COMPLETE),
        (make_status(progressing("RolledBack"), rollout=rolled_back(manual=True)), Verdict.UNDER_WAY),
        (make_status(stalled("ProgressDeadlineExceeded"), progressing("ProgressDeadlineExceeded")), Verdict.FAILED),
        (make_status(READY, progressing("Suspended"), suspend=True), Verdict.FAILED),
        (make_status(READY, progressing("Canary", status="True"), rollout={"canary": CANARY}), Verdict.UNDER_WAY),
        (make_status(READY, rollout={"canary": CANARY, "paused": True}), Verdict.WAITING),
        (make_status(READY, rollout={"canary": CANARY | {"phase": "Paused"}}), Verdict.WAITING),
        ({"metadata": {"name": "support", "namespace": "team", "generation": 1}, "spec": {}}, Verdict.UNDER_WAY),
    ],
)
def test_the_verdict_is_that_of_the_current_spec(agent: dict[str, Any], verdict: Verdict) -> None:
    assert rollout_progress.verdict(agent) is verdict
    assert rollout_progress.summary(agent).startswith("support runs ")


def test_the_summary_has_the_reason_why_the_rollout_is_not_complete() -> None:
    assert rollout_progress.summary(make_status(READY, COMPLETE)) == "support runs revision old, 2/2 pods ready"
    assert rollout_progress.summary(make_status(progressing("RolledBack"))).endswith("; message of RolledBack")
    assert "suspended" in rollout_progress.summary(make_status(suspend=True))
    assert "waiting for the operator to observe" in rollout_progress.summary(make_status(COMPLETE, observed=1))


def draw(agent: dict[str, Any], seconds: int = 30) -> list[str]:
    target = io.StringIO()
    now = datetime(2026, 1, 1, 0, seconds // 60, seconds % 60, tzinfo=UTC)
    Console(file=target, width=160).print(rollout_progress.draw(agent, now))
    return [line.rstrip() for line in target.getvalue().splitlines()]


def test_the_table_shows_the_progress_of_each_step() -> None:
    canary = CANARY | {"checks": "5/5 passed", "message": "errors 0 %, p95 0.2 s"}
    agent = make_status(READY, rollout={"canary": canary})
    agent["spec"] = {"rollout": {"canary": {"steps": STEPS}}}

    assert draw(agent) == [
        "support runs revision old, 2/2 pods ready; canary of new",
        "checks: 5/5 passed",
        "STEP   WEIGHT   DURATION         STATE",
        "1      20 %     60s              done",
        "2      50 %     90s              watching, about 60s left: errors 0 %, p95 0.2 s",
        "3      80 %     until promoted   pending",
    ]
    assert draw(agent, 100)[4].endswith("watching, about to end: errors 0 %, p95 0.2 s")


@pytest.mark.parametrize(
    ("canary", "paused", "state"),
    [
        ({"phase": "Starting"}, None, "starting"),
        ({"phase": "Checking"}, None, "checking"),
        ({"phase": "Paused", "message": "waits"}, None, "paused: waits"),
        ({"phase": "Watching"}, True, "paused"),
        ({"phase": "Promoting"}, None, "done"),
    ],
)
def test_the_current_step_shows_its_phase(canary: dict[str, Any], paused: bool | None, state: str) -> None:
    agent = make_status(READY, rollout={"canary": CANARY | {"step": 0} | canary, "paused": paused})

    assert draw(agent)[-1].split("   ")[-1].strip() == state
