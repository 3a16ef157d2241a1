"""Rollout commands of users."""

from dataclasses import replace

import pytest

from agent_operator.api.v1alpha1.rollout import RolloutStatus
from agent_operator.rollout.commands import refusal
from agent_operator.rollout.state_machine import decide
from tests.unit.agent_operator.rollout.decisions import (
    ANALYSED,
    OLD_STABLE,
    READY,
    decide_all,
    make_inputs,
    make_records,
    position,
    steps,
)


def test_paused_canary_advances_after_resume() -> None:
    state = decide_all(OLD_STABLE, *steps({}, READY, READY | {"command": "pause"}, ANALYSED))
    assert state.paused
    assert position(state)[1] == ("new", 0, "Watching")

    state = decide_all(state, *steps(ANALYSED | {"command": "resume"}))

    assert position(state)[1] == ("new", 1, "Starting")


def test_command_is_carried_out_once() -> None:
    """The next reconcile may still see the command's annotation, and must not run the command again."""
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
        ("restart", "use restart=TIME with the current time"),
        ("restart=now", "'now' is no time: use restart=TIME"),
        ("restart=2026-09-03T08:00:00." + "0" * 64, "is no time"),
        ("restart=20260903", "is no time"),
        ("restart=2026-09-03", "is no time"),
        ("restart=2026-W36-4", "is no time"),
        ("restart=2026-W36-4T08:00:00Z", "is no time"),
        ("restart=2026-09-03T08", "is no time"),
        ("restart=2026-09-03\n08:00:00Z", "is no time"),
        ("restart=2026-09-03\x0008:00:00Z", "is no time"),
        ("restart=2026-09-03T08:00:00Z\n", "is no time"),
        ("restart=\uff12026-09-03T08:00:00Z", "is no time"),
        ("restart=2026-99-03T08:00:00Z", "is no time"),
        ("restart=2999-01-01T00:00:00Z", "is in the future"),
    ],
)
def test_refused_command_is_recorded_and_changes_nothing(command: str, message: str) -> None:
    inputs = make_inputs("old", command=command)

    assert message in refusal(inputs, OLD_STABLE)
    assert decide(inputs, OLD_STABLE) == OLD_STABLE.model_copy(update={"command": command})


def test_each_time_restarts_the_pods_once() -> None:
    """A tool may restore the annotation after the operator removed it."""
    times = ("2026-09-03T08:00:00Z", "2026-09-03T09:00:00+01:00", "2026-09-03T08:00:01")
    state = OLD_STABLE
    for time, expected in zip(times, (times[0], times[0], times[2]), strict=True):
        state = decide(make_inputs("old", command=f"restart={time}"), state)
        assert state.restarted_at == expected

    restored = make_inputs("old", command=f"restart={times[0]}")
    assert "already restarted at 2026-09-03T08:00:01" in refusal(restored, state)
    assert decide(restored, state).restarted_at == times[2]
    # A rollout does not end a restart.
    assert decide(make_inputs("new"), state).restarted_at == times[2]
