"""Where a rollout stands: a verdict for scripts, a line and the steps of a canary for people."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from agentctl.cluster import rollout_progress
from agentctl.cluster.rollout_progress import Verdict

READY = {"type": "Ready", "status": "True", "reason": "Ready", "message": "2 of 2 pods are ready"}
COMPLETE = {"type": "Progressing", "status": "False", "reason": "RolloutComplete", "message": "all"}
CANARY = {"revision": "new", "step": 1, "weight": 50, "phase": "Watching", "since": "2026-01-01T00:00:00Z"}
STEPS = [{"weight": 20}, {"weight": 50, "pause": {"durationSeconds": 90}}, {"weight": 80, "pause": {}}]


def stands(*conditions: dict[str, Any], rollout: Any = None, seen: int = 2, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "support", "namespace": "team", "generation": 2},
        "spec": spec,
        "status": {
            "observedGeneration": seen,
            "revision": "old",
            "ready": "2/2",
            "conditions": list(conditions),
            "rollout": rollout or {},
        },
    }


def rolled_back(*, manual: bool | None = None) -> dict[str, Any]:
    given = {"revision": "new", "to": "old", "reason": "CrashLoop", "message": "m", "time": "t", "manual": manual}
    return {"rolledBack": given}


def progressing(reason: str, *, status: str = "False") -> dict[str, Any]:
    return {"type": "Progressing", "status": status, "reason": reason, "message": f"said of {reason}"}


def stalled(reason: str) -> dict[str, Any]:
    return {"type": "Stalled", "status": "True", "reason": reason, "message": "m"}


@pytest.mark.parametrize(
    ("agent", "verdict"),
    [
        (stands(READY, COMPLETE), Verdict.COMPLETE),
        (stands(READY, COMPLETE, seen=1), Verdict.UNDER_WAY),
        (stands(progressing("RollingOut", status="True")), Verdict.UNDER_WAY),
        (stands(READY, progressing("RolledBack"), stalled("RolledBack"), rollout=rolled_back()), Verdict.FAILED),
        # The pods of the revision that is returned to are still on their way.
        (stands(progressing("RolledBack"), rollout=rolled_back()), Verdict.FAILED),
        (stands(READY, progressing("RolledBack"), rollout=rolled_back(manual=True)), Verdict.COMPLETE),
        (stands(stalled("ProgressDeadlineExceeded"), progressing("ProgressDeadlineExceeded")), Verdict.FAILED),
        (stands(READY, progressing("Suspended"), suspend=True), Verdict.FAILED),
        (stands(READY, progressing("Canary", status="True"), rollout={"canary": CANARY}), Verdict.UNDER_WAY),
        (stands(READY, rollout={"canary": CANARY, "paused": True}), Verdict.WAITING),
        (stands(READY, rollout={"canary": CANARY | {"phase": "Paused"}}), Verdict.WAITING),
        ({"metadata": {"name": "support", "namespace": "team", "generation": 1}, "spec": {}}, Verdict.UNDER_WAY),
    ],
)
def test_the_verdict_is_about_what_the_spec_asks_for(agent: dict[str, Any], verdict: Verdict) -> None:
    assert rollout_progress.judge(agent) is verdict
    assert rollout_progress.sentence(agent).startswith("support runs revision ")


def test_the_sentence_tells_why_it_is_not_complete() -> None:
    assert rollout_progress.sentence(stands(READY, COMPLETE)) == "support runs revision old, 2/2 pods ready"
    assert rollout_progress.sentence(stands(progressing("RolledBack"))).endswith("; said of RolledBack")
    assert "suspended" in rollout_progress.sentence(stands(suspend=True))
    assert "has not seen" in rollout_progress.sentence(stands(COMPLETE, seen=1))


def drawn(agent: dict[str, Any], seconds: int = 30) -> list[str]:
    target = io.StringIO()
    now = datetime(2026, 1, 1, 0, seconds // 60, seconds % 60, tzinfo=UTC)
    Console(file=target, width=160).print(rollout_progress.draw(agent, now))
    return [line.rstrip() for line in target.getvalue().splitlines()]


def test_the_steps_of_a_canary_tell_how_far_it_is() -> None:
    canary = CANARY | {"checks": "5/5 passed", "message": "errors 0 %, p95 0.2 s"}
    agent = stands(READY, rollout={"canary": canary})
    agent["spec"] = {"rollout": {"canary": {"steps": STEPS}}}

    assert drawn(agent) == [
        "support runs revision old, 2/2 pods ready; canary of new",
        "checks: 5/5 passed",
        "STEP   WEIGHT   LASTS            STATE",
        "1      20 %     60s              done",
        "2      50 %     90s              watching, about 60s left: errors 0 %, p95 0.2 s",
        "3      80 %     until promoted   to come",
    ]
    assert drawn(agent, 100)[4].endswith("watching, about to end: errors 0 %, p95 0.2 s")


@pytest.mark.parametrize(
    ("canary", "paused", "said"),
    [
        ({"phase": "Starting"}, None, "starting"),
        ({"phase": "Checking"}, None, "checking"),
        ({"phase": "Paused", "message": "waits"}, None, "paused: waits"),
        ({"phase": "Watching"}, True, "paused"),
        ({"phase": "Promoting"}, None, "done"),
    ],
)
def test_the_present_step_tells_its_phase(canary: dict[str, Any], paused: bool | None, said: str) -> None:
    agent = stands(READY, rollout={"canary": CANARY | {"step": 0} | canary, "paused": paused})

    assert drawn(agent)[-1].split("   ")[-1].strip() == said
