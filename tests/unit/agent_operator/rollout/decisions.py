"""Inputs of rollout decisions, for an agent with the revisions `old` and `new`."""

from dataclasses import replace
from typing import Any

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import Canary, CanaryStep, Pause, Rollout, RolloutStatus
from agent_operator.rollout.analysis.thresholds import AnalysisPhase, AnalysisResult
from agent_operator.rollout.revisions import RevisionRecord
from agent_operator.rollout.rollout_inputs import RolloutInputs
from agent_operator.rollout.state_machine import decide
from agent_operator.status.observed import Pods

NOW = "2026-11-23T08:00:00Z"
CRASH = Problem(Reason.CRASH_LOOP, "", "pod x: CrashLoopBackOff with exit code 2: no such model")
SUCCESSFUL = AnalysisResult(AnalysisPhase.SUCCESSFUL, "40 requests, 0.0 % errors")
FAILED = AnalysisResult(AnalysisPhase.FAILED, "error rate 12.0 %")
INCONCLUSIVE = AnalysisResult(
    AnalysisPhase.INCONCLUSIVE, "the canary has answered 1 of the 20 requests that an analysis needs"
)


def pods(wanted: int, ready: int | None = None) -> Pods:
    ready = wanted if ready is None else ready
    return Pods(wanted, total=wanted, updated=wanted, ready=ready, available=ready, observed=True)


def make_records(*names: str) -> tuple[RevisionRecord, ...]:
    """Return records of these revisions. The last name is the newest."""
    return tuple(RevisionRecord(n, i, f"in-{n}", f"cm-{n}", "1") for i, n in reversed(list(enumerate(names, 1))))


def first_inputs(target: str = "new") -> RolloutInputs:
    """The inputs of an agent that has never run."""
    return RolloutInputs(target, inputs_hash=f"in-{target}", spec_hash=f"spec-{target}", now=NOW)


def make_inputs(target: str = "new", **more: Any) -> RolloutInputs:
    """The inputs of an agent that runs the good revision `old`."""
    base: dict[str, Any] = {
        "records": make_records("old", "new"),
        "last_good": "old",
        "running_revision": "old",
        "stable": pods(3),
    }
    return replace(first_inputs(target), **base | more)


def rolling(**more: Any) -> Rollout:
    return Rollout(strategy="RollingUpdate", **more)


def canary(*steps: CanaryStep, **more: Any) -> Rollout:
    return Rollout(strategy="Canary", canary=Canary(steps=steps or None), **more)


TWO_STEPS = canary(CanaryStep(weight=20, pause=Pause(duration_seconds=60)), CanaryStep(weight=50, pause=Pause()))
OLD_STABLE = RolloutStatus(target="old", stable="old")


def decide_all(state: RolloutStatus, *all_inputs: RolloutInputs) -> RolloutStatus:
    for inputs in all_inputs:
        state = decide(inputs, state)
    return state


def position(state: RolloutStatus) -> tuple[Any, ...]:
    found = state.canary
    return (state.stable, found and (found.revision, found.step, found.phase))


def steps(*changes: dict[str, Any]) -> list[RolloutInputs]:
    return [make_inputs(rollout=TWO_STEPS, **change) for change in changes]


READY: dict[str, Any] = {"canary": pods(1)}
ANALYSED: dict[str, Any] = {"canary": pods(1), "analysis": SUCCESSFUL, "elapsed": 61.0}
