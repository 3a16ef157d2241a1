"""Decisions on canaries: steps, checks, analysis, promotion and rollback."""

from typing import Any

import pytest

from agent_operator.api.v1alpha1.rollout import CanaryStep, Pause
from agent_operator.rollout.checks_result import ChecksResult
from agent_operator.rollout.rollout_inputs import RolloutInputs
from agent_operator.rollout.state_machine import decide
from tests.unit.agent_operator.rollout.decisions import (
    ANALYSED,
    CRASH,
    FAILED,
    INCONCLUSIVE,
    OLD_STABLE,
    READY,
    SUCCESSFUL,
    TWO_STEPS,
    canary,
    decide_all,
    make_inputs,
    make_records,
    pods,
    position,
    rolling,
    steps,
)


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


@pytest.mark.parametrize("changes", [[READY], [READY, {"failures": {"new": CRASH}}], [READY, {"command": "abort"}]])
def test_running_revision_stays_without_its_record(changes: list[dict[str, Any]]) -> None:
    without_record = {"records": make_records("new")}
    state = decide_all(OLD_STABLE, *steps({}, READY, *(change | without_record for change in changes)))

    assert state.stable == "old"
    assert (state.canary is None) is (len(changes) > 1)


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
