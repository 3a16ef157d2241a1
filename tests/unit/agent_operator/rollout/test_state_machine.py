"""Decisions on rollouts: rolling update, canary, rollback, and commands of users."""

from dataclasses import replace
from typing import Any

import pytest

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import Canary, CanaryStep, Pause, Rollout, RolloutStatus
from agent_operator.rollout.analysis.thresholds import AnalysisPhase, AnalysisResult
from agent_operator.rollout.checks_result import ChecksResult
from agent_operator.rollout.commands import refusal
from agent_operator.rollout.revisions import RevisionRecord
from agent_operator.rollout.rollout_inputs import RolloutInputs
from agent_operator.rollout.state_machine import decide, must_persist_first, requeue_after
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


def test_first_revision_rolls_out_at_once() -> None:
    assert position(decide(first_inputs(), RolloutStatus())) == ("new", None)
    assert position(decide(replace(first_inputs(), rollout=TWO_STEPS), RolloutStatus())) == ("new", None)


def test_rolling_update_is_the_default() -> None:
    state = decide(make_inputs(), OLD_STABLE)

    assert position(state) == ("new", None)
    assert state.target == "new"


@pytest.mark.parametrize("failure", [CRASH, Problem(Reason.DEADLINE_EXCEEDED, "", "no progress in time")])
def test_failed_target_is_rolled_back_to_the_last_good_revision(failure: Problem) -> None:
    failing = make_inputs(running_revision="new", stable=pods(3, 2), failures={"new": failure})

    state = decide_all(OLD_STABLE, make_inputs(), failing)

    assert state.stable == "old"
    assert state.rolled_back is not None
    assert (state.rolled_back.revision, state.rolled_back.to) == ("new", "old")
    assert (state.rolled_back.reason, state.rolled_back.message) == (failure.reason, failure.message)
    # The rollback lasts until the spec requests another revision.
    assert decide(make_inputs(running_revision="old"), state) == state
    assert position(decide(make_inputs("third", records=make_records("old", "new", "third")), state)) == ("third", None)


@pytest.mark.parametrize(
    "inputs",
    [
        make_inputs(running_revision="old", failures={"new": CRASH}),
        make_inputs(running_revision="new", failures={"old": CRASH}),
        make_inputs(running_revision="new", stable=pods(3), failures={"new": CRASH}),
        make_inputs(running_revision="new", stable=pods(3, 1), failures={"new": CRASH}, last_good="new"),
        make_inputs(running_revision="new", stable=pods(3, 1), failures={"new": CRASH}, last_good=None),
        make_inputs(running_revision="new", stable=pods(3, 1), failures={"new": CRASH}, records=make_records("new")),
        make_inputs(
            running_revision="new", stable=pods(3, 1), failures={"new": CRASH}, rollout=rolling(auto_rollback=False)
        ),
    ],
    ids=[
        "not running",
        "another revision",
        "complete",
        "was good",
        "no good revision",
        "no record",
        "autoRollback off",
    ],
)
def test_target_is_not_rolled_back(inputs: RolloutInputs) -> None:
    assert decide(inputs, RolloutStatus(target="new", stable="new")).rolled_back is None


def test_reverted_spec_ends_the_rollback() -> None:
    state = decide_all(
        OLD_STABLE, make_inputs(), make_inputs(running_revision="new", stable=pods(3, 2), failures={"new": CRASH})
    )

    state = decide(make_inputs("old"), state)

    assert state == RolloutStatus(target="old", stable="old")


def steps(*changes: dict[str, Any]) -> list[RolloutInputs]:
    return [make_inputs(rollout=TWO_STEPS, **change) for change in changes]


READY: dict[str, Any] = {"canary": pods(1)}
ANALYSED: dict[str, Any] = {"canary": pods(1), "analysis": SUCCESSFUL, "elapsed": 61.0}


def test_canary_advances_step_by_step_and_is_promoted() -> None:
    state = OLD_STABLE
    expectations: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
        ({}, ("old", ("new", 0, "Starting"))),
        ({"canary": pods(1, 0)}, ("old", ("new", 0, "Starting"))),
        (READY, ("old", ("new", 0, "Watching"))),
        (ANALYSED | {"elapsed": 30.0}, ("old", ("new", 0, "Watching"))),
        (ANALYSED, ("old", ("new", 1, "Starting"))),
        ({"canary": pods(2)}, ("old", ("new", 1, "Watching"))),
        (ANALYSED, ("old", ("new", 1, "Paused"))),
        (ANALYSED | {"elapsed": 9999.0}, ("old", ("new", 1, "Paused"))),
        (ANALYSED | {"command": "promote"}, ("new", ("new", 1, "Promoting"))),
        ({"running_revision": "new", "stable": pods(3, 2)}, ("new", ("new", 1, "Promoting"))),
        ({"running_revision": "new"}, ("new", None)),
        ({"running_revision": "new", "last_good": "new"}, ("new", None)),
    ]
    for change, expected in expectations:
        state = decide(make_inputs(rollout=TWO_STEPS, **change), state)
        assert position(state) == expected, change


def test_checks_run_once_before_the_first_step() -> None:
    all_inputs = steps({"has_checks": True}, READY | {"has_checks": True})
    state = decide_all(OLD_STABLE, *all_inputs)
    assert position(state)[1] == ("new", 0, "Checking")
    assert position(decide(all_inputs[-1], state))[1] == ("new", 0, "Checking")

    passed = READY | {"has_checks": True, "checks": ChecksResult(passed=True, message="5/5 passed")}
    state = decide_all(state, *steps(passed, ANALYSED | passed, READY | passed))

    assert position(state)[1] == ("new", 1, "Watching")
    assert state.canary is not None
    assert state.canary.checks == "5/5 passed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"failures": {"new": CRASH}}, "CrashLoop"),
        ({"checks": ChecksResult(passed=False, message="4/5 passed; greets: no hello")}, "ChecksFailed"),
        ({"canary": pods(1), "analysis": FAILED, "elapsed": 5.0}, "GateFailed"),
    ],
)
def test_failed_canary_is_rolled_back(change: dict[str, Any], reason: str) -> None:
    has = {"has_checks": "checks" in change}
    state = decide_all(OLD_STABLE, *steps(has, READY | has, change | has))

    assert position(state) == ("old", None)
    assert state.rolled_back is not None
    assert state.rolled_back.reason == reason
    assert decide_all(state, *steps({}, READY, ANALYSED)) == state


@pytest.mark.parametrize("all_inputs", [[READY], [READY, {"failures": {"new": CRASH}}], [READY, {"command": "abort"}]])
def test_running_revision_stays_without_its_record(all_inputs: list[dict[str, Any]]) -> None:
    gone = {"records": make_records("new")}
    state = decide_all(OLD_STABLE, *steps({}, READY, *(inputs | gone for inputs in all_inputs)))

    assert state.stable == "old"
    assert (state.canary is None) is (len(all_inputs) > 1)


def test_paused_step_continues_when_the_spec_sets_its_duration() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY, ANALYSED, {"canary": pods(2)}, {"canary": pods(2)}))
    assert position(state)[1] == ("new", 1, "Paused")
    short = canary(*[CanaryStep(weight=20, pause=Pause(duration_seconds=60))] * 2)
    edited: dict[str, Any] = {"canary": pods(2), "analysis": SUCCESSFUL, "elapsed": 61.0, "rollout": short}
    assert position(decide_all(state, *(make_inputs(**edited) for _ in range(2))))[1] == ("new", 1, "Promoting")


def test_step_needs_ready_pods_before_the_progress_deadline() -> None:
    unready = {"canary": pods(1, 0), "analysis": SUCCESSFUL}
    state = decide_all(OLD_STABLE, *steps({}, READY, unready | {"elapsed": 61.0}))
    assert position(state)[1] == ("new", 0, "Watching")
    assert position(decide(make_inputs(rollout=TWO_STEPS, **ANALYSED), state))[1] == ("new", 1, "Starting")

    # The deadline does not apply while a user or a step without duration pauses the canary.
    late = unready | {"elapsed": 661.0}
    assert position(decide_all(state, *steps(unready | {"command": "pause"}, late)))[1] == ("new", 0, "Watching")
    paused = decide_all(OLD_STABLE, *steps({}, READY, ANALYSED, {"canary": pods(2)}, ANALYSED, late))
    assert position(paused)[1] == ("new", 1, "Paused")

    state = decide_all(state, *steps(late))

    assert position(state) == ("old", None)
    assert state.rolled_back is not None
    assert state.rolled_back.reason == "Unavailable"


def test_failing_stable_pods_do_not_fail_the_canary() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY, READY | {"failures": {"old": CRASH}}))

    assert position(state) == ("old", ("new", 0, "Watching"))


def test_inconclusive_analysis_passes_and_is_reported() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY, ANALYSED | {"analysis": INCONCLUSIVE}))

    assert position(state)[1] == ("new", 1, "Starting")
    state = decide_all(state, *steps({"canary": pods(2)}))
    assert state.canary is not None
    assert state.canary.message == f"step 1: {INCONCLUSIVE.message}"


def test_step_needs_an_analysis() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY, {"canary": pods(1), "elapsed": 100.0}))

    assert position(state)[1] == ("new", 0, "Watching")


def test_new_target_starts_a_new_canary() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY, ANALYSED))
    third = make_inputs("third", rollout=TWO_STEPS, records=make_records("old", "new", "third"))

    assert position(decide(third, state)) == ("old", ("third", 0, "Starting"))


def test_new_target_during_a_promotion_starts_a_canary_of_it() -> None:
    promoting = decide_all(OLD_STABLE, *steps({}, READY, READY | {"command": "promote-full"}))
    assert position(promoting)[0] == "new"
    third = make_inputs(
        "third",
        rollout=TWO_STEPS,
        records=make_records("old", "new", "third"),
        running_revision="new",
        stable=pods(3, 1),
    )

    assert position(decide(third, promoting)) == ("new", ("third", 0, "Starting"))


def test_reverted_spec_ends_the_canary() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY))

    assert position(decide(make_inputs("old", rollout=TWO_STEPS), state)) == ("old", None)


def test_failed_promotion_is_rolled_back() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY, READY | {"command": "promote-full"}))

    state = decide_all(state, *steps({"running_revision": "new", "stable": pods(3, 2), "failures": {"new": CRASH}}))

    assert position(state) == ("old", None)


@pytest.mark.parametrize(
    "inputs",
    [
        make_inputs(rollout=TWO_STEPS, stable=pods(0)),
        make_inputs(rollout=TWO_STEPS, last_good=None),
        make_inputs(rollout=TWO_STEPS, records=make_records("new")),
        make_inputs(rollout=rolling()),
    ],
    ids=["scaled to zero", "no good revision", "no record of the stable revision", "rolling update"],
)
def test_target_rolls_out_without_a_canary(inputs: RolloutInputs) -> None:
    assert position(decide(inputs, OLD_STABLE)) == ("new", None)


def test_change_to_rolling_update_promotes_the_canary() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY))

    assert position(decide(make_inputs(rollout=rolling()), state)) == ("new", None)


def test_removed_steps_end_the_canary() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY, ANALYSED, {"canary": pods(2)}))
    one = canary(CanaryStep(weight=20, pause=Pause(duration_seconds=60)))

    assert position(decide(make_inputs(rollout=one, **ANALYSED), state)) == ("new", ("new", 1, "Promoting"))


def test_without_auto_rollback_a_failed_canary_is_paused() -> None:
    rollout = TWO_STEPS.model_copy(update={"auto_rollback": False})
    all_inputs = [
        make_inputs(rollout=rollout, **change) for change in ({}, READY, READY | {"failures": {"new": CRASH}}, ANALYSED)
    ]

    state = decide_all(OLD_STABLE, *all_inputs)

    assert state.paused
    assert position(state) == ("old", ("new", 0, "Paused"))
    assert state.canary is not None
    assert CRASH.message in (state.canary.message or "")


def test_lost_status_is_restored_from_the_deployment() -> None:
    assert position(decide(make_inputs(rollout=TWO_STEPS), RolloutStatus())) == ("old", ("new", 0, "Starting"))


def test_decision_without_a_record_is_repeated() -> None:
    third = make_inputs("third", rollout=TWO_STEPS)

    assert position(decide(third, RolloutStatus(target="lost", stable="lost"))) == ("old", ("third", 0, "Starting"))


def test_paused_canary_advances_after_resume() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY, READY | {"command": "pause"}, ANALYSED))
    assert state.paused
    assert position(state)[1] == ("new", 0, "Watching")

    state = decide_all(state, *steps(ANALYSED | {"command": "resume"}))

    assert position(state)[1] == ("new", 1, "Starting")


def test_command_is_carried_out_once() -> None:
    """The annotation may still be there at the next reconcile."""
    promote = READY | {"command": "promote"}
    state = decide_all(OLD_STABLE, *steps({}, READY, promote))
    assert position(state)[1] == ("new", 1, "Starting")

    state = decide_all(state, *steps(promote, promote))
    assert position(state)[1] == ("new", 1, "Paused")

    state = decide_all(state, *steps(READY, promote))
    assert position(state)[1] == ("new", 1, "Promoting")


def test_aborted_canary_starts_again_after_retry() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY, READY | {"command": "abort"}, {}, READY))
    assert position(state) == ("old", None)
    assert state.rolled_back is not None
    assert state.rolled_back.reason == "Aborted"

    state = decide_all(state, *steps({"command": "retry"}))
    assert position(state) == ("old", ("new", 0, "Starting"))


def test_manual_rollback_lasts_until_the_spec_changes() -> None:
    good = make_inputs(running_revision="new", last_good="new")
    state = decide(replace(good, command="rollback"), RolloutStatus(target="new", stable="new"))
    assert position(state) == ("old", None)
    assert state.rolled_back is not None
    assert state.rolled_back.manual

    # A version that a channel assigns does not change the spec.
    moved = make_inputs("newer", spec_hash="spec-new", records=make_records("old", "new", "newer"))
    assert position(decide(moved, state))[0] == "old"
    assert position(decide(make_inputs("third", records=make_records("old", "new", "third")), state))[0] == "third"


def test_rollback_to_the_target_ends_the_rollback() -> None:
    state = decide(make_inputs(running_revision="new", last_good="new", command="rollback=old"), OLD_STABLE)
    assert position(state)[0] == "old"

    state = decide(make_inputs(running_revision="old", last_good="new", command="rollback=new"), state)

    assert position(state)[0] == "new"
    assert state.rolled_back is None


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("sing", "unknown rollout command"),
        ("pause", "no canary"),
        ("abort", "no canary"),
        ("resume", "the rollout is not paused"),
        ("promote", "no canary can be promoted"),
        ("retry", "no revision was rolled back"),
        ("rollback=none", "the kept revisions are new"),
    ],
)
def test_refused_command_is_recorded_and_changes_nothing(command: str, message: str) -> None:
    inputs = make_inputs("old", command=command)

    assert message in refusal(inputs, OLD_STABLE)
    assert decide(inputs, OLD_STABLE) == OLD_STABLE.model_copy(update={"command": command})


def test_requeue_while_a_step_lasts() -> None:
    starting, watching, paused = (
        decide_all(OLD_STABLE, *steps({})),
        decide_all(OLD_STABLE, *steps({}, READY)),
        decide_all(OLD_STABLE, *steps({}, READY, ANALYSED, {"canary": pods(2)}, ANALYSED)),
    )

    assert requeue_after(make_inputs(rollout=TWO_STEPS), OLD_STABLE) is None
    assert requeue_after(make_inputs(rollout=TWO_STEPS), starting) is None
    assert requeue_after(make_inputs(rollout=TWO_STEPS), watching) == 5
    assert requeue_after(make_inputs(rollout=TWO_STEPS, elapsed=58.5), watching) == 1.5
    assert requeue_after(make_inputs(rollout=TWO_STEPS), paused) == 5


def test_decisions_that_depend_on_the_status_are_persisted_first() -> None:
    rolled_back = decide_all(
        OLD_STABLE, make_inputs(), make_inputs(running_revision="new", stable=pods(3, 2), failures={"new": CRASH})
    )
    started = decide_all(OLD_STABLE, *steps({}))

    assert must_persist_first(decide_all(OLD_STABLE, make_inputs()), rolled_back)
    assert must_persist_first(OLD_STABLE, started)
    assert not must_persist_first(started, started)
    assert not must_persist_first(RolloutStatus(), decide(first_inputs(), RolloutStatus()))
    assert not must_persist_first(OLD_STABLE, decide_all(OLD_STABLE, make_inputs()))
