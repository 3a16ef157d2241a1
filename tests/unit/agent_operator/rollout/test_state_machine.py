"""Decisions on rolling updates and rollbacks, and when they are persisted and repeated."""

from dataclasses import replace

import pytest

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import RolloutStatus
from agent_operator.rollout.rollout_inputs import RolloutInputs
from agent_operator.rollout.state_machine import decide, must_persist_first, requeue_after
from tests.unit.agent_operator.rollout.decisions import (
    ANALYSED,
    CRASH,
    OLD_STABLE,
    READY,
    TWO_STEPS,
    decide_all,
    first_inputs,
    make_inputs,
    make_records,
    pods,
    position,
    rolling,
    steps,
)


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


def test_lost_status_is_restored_from_the_deployment() -> None:
    assert position(decide(make_inputs(rollout=TWO_STEPS), RolloutStatus())) == ("old", ("new", 0, "Starting"))


def test_decision_without_a_record_is_repeated() -> None:
    third = make_inputs("third", rollout=TWO_STEPS)

    assert position(decide(third, RolloutStatus(target="lost", stable="lost"))) == ("old", ("third", 0, "Starting"))


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
