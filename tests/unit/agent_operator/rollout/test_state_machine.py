"""Which revision runs: rolling, canary step by step, back when it is no good, and what a person says."""

from dataclasses import replace
from typing import Any

import pytest

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import Canary, CanaryStep, Pause, Rollout, RolloutStatus
from agent_operator.rollout.analysis.thresholds import AnalysisPhase, AnalysisResult
from agent_operator.rollout.checks_job import ChecksResult
from agent_operator.rollout.commands import refusal
from agent_operator.rollout.revisions import RevisionRecord
from agent_operator.rollout.state import RolloutInputs
from agent_operator.rollout.state_machine import decide, must_persist_first, requeue_after
from agent_operator.status.observed import Pods

NOW = "2026-11-23T08:00:00Z"
CRASH = Problem(Reason.CRASH_LOOP, "", "pod x: CrashLoopBackOff with exit code 2: no such model")
WELL = AnalysisResult(AnalysisPhase.SUCCESSFUL, "40 requests, 0.0 % errors")
BAD = AnalysisResult(AnalysisPhase.FAILED, "error rate 12.0 %")
FEW = AnalysisResult(AnalysisPhase.INCONCLUSIVE, "the canary has answered 1 of the 20 requests needed")


def pods(wanted: int, ready: int | None = None) -> Pods:
    ready = wanted if ready is None else ready
    return Pods(wanted, total=wanted, updated=wanted, ready=ready, available=ready, observed=True)


def stored(*names: str) -> tuple[RevisionRecord, ...]:
    """Revisions as the cluster keeps them, the latest last."""
    return tuple(RevisionRecord(n, i, f"in-{n}", f"cm-{n}", "1") for i, n in reversed(list(enumerate(names, 1))))


def first(target: str = "new") -> RolloutInputs:
    """An agent of which nothing runs yet."""
    return RolloutInputs(target, inputs_hash=f"in-{target}", spec_hash=f"asks-{target}", now=NOW)


def seen(target: str = "new", **more: Any) -> RolloutInputs:
    """An agent whose revision `old` is good and runs."""
    base: dict[str, Any] = {
        "records": stored("old", "new"),
        "last_good": "old",
        "running_revision": "old",
        "stable": pods(3),
    }
    return replace(first(target), **base | more)


def rolling(**more: Any) -> Rollout:
    return Rollout(strategy="RollingUpdate", **more)


def canary(*steps: CanaryStep, **more: Any) -> Rollout:
    return Rollout(strategy="Canary", canary=Canary(steps=steps or None), **more)


TWO = canary(CanaryStep(weight=20, pause=Pause(duration_seconds=60)), CanaryStep(weight=50, pause=Pause()))
OLD = RolloutStatus(target="old", stable="old")


def walked(state: RolloutStatus, *looks: RolloutInputs) -> RolloutStatus:
    for look in looks:
        state = decide(look, state)
    return state


def where(state: RolloutStatus) -> tuple[Any, ...]:
    found = state.canary
    return (state.stable, found and (found.revision, found.step, found.phase))


# Pod by pod


def test_the_first_revision_runs_at_once() -> None:
    assert where(decide(first(), RolloutStatus())) == ("new", None)
    assert where(decide(replace(first(), rollout=TWO), RolloutStatus())) == ("new", None)


def test_without_a_strategy_the_target_runs_at_once() -> None:
    state = decide(seen(), OLD)

    assert where(state) == ("new", None)
    assert state.target == "new"


@pytest.mark.parametrize("trouble", [CRASH, Problem(Reason.DEADLINE_EXCEEDED, "", "no progress in time")])
def test_a_target_in_trouble_is_given_up_for_the_last_good_one(trouble: Problem) -> None:
    failing = seen(running_revision="new", stable=pods(3, 2), failures={"new": trouble})

    state = walked(OLD, seen(), failing)

    assert state.stable == "old"
    assert state.rolled_back is not None
    assert (state.rolled_back.revision, state.rolled_back.to) == ("new", "old")
    assert (state.rolled_back.reason, state.rolled_back.message) == (trouble.reason, trouble.message)
    # And it stays so, whatever else happens, until the spec asks for another.
    assert decide(seen(running_revision="old"), state) == state
    assert where(decide(seen("third", records=stored("old", "new", "third")), state)) == ("third", None)


@pytest.mark.parametrize(
    "look",
    [
        seen(running_revision="old", failures={"new": CRASH}),
        seen(running_revision="new", failures={"old": CRASH}),
        seen(running_revision="new", stable=pods(3), failures={"new": CRASH}),
        seen(running_revision="new", stable=pods(3, 1), failures={"new": CRASH}, last_good="new"),
        seen(running_revision="new", stable=pods(3, 1), failures={"new": CRASH}, last_good=None),
        seen(running_revision="new", stable=pods(3, 1), failures={"new": CRASH}, records=stored("new")),
        seen(running_revision="new", stable=pods(3, 1), failures={"new": CRASH}, rollout=rolling(auto_rollback=False)),
    ],
    ids=["not yet given", "another's", "complete", "good once", "nothing good", "not kept", "switched off"],
)
def test_it_is_not_given_up(look: RolloutInputs) -> None:
    assert decide(look, RolloutStatus(target="new", stable="new")).rolled_back is None


def test_a_spec_that_is_taken_back_ends_the_matter() -> None:
    state = walked(OLD, seen(), seen(running_revision="new", stable=pods(3, 2), failures={"new": CRASH}))

    state = decide(seen("old"), state)

    assert state == RolloutStatus(target="old", stable="old")


# Canary


def steps(*changes: dict[str, Any]) -> list[RolloutInputs]:
    return [seen(rollout=TWO, **change) for change in changes]


READY = {"canary": pods(1)}
WATCHED: dict[str, Any] = {"canary": pods(1), "analysis": WELL, "elapsed": 61.0}


def test_a_canary_goes_step_by_step_and_then_takes_over() -> None:
    state = OLD
    walk: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
        ({}, ("old", ("new", 0, "Starting"))),
        ({"canary": pods(1, 0)}, ("old", ("new", 0, "Starting"))),
        (READY, ("old", ("new", 0, "Watching"))),
        (WATCHED | {"elapsed": 30.0}, ("old", ("new", 0, "Watching"))),
        (WATCHED, ("old", ("new", 1, "Starting"))),
        ({"canary": pods(2)}, ("old", ("new", 1, "Watching"))),
        (WATCHED, ("old", ("new", 1, "Paused"))),
        (WATCHED | {"elapsed": 9999.0}, ("old", ("new", 1, "Paused"))),
        (WATCHED | {"command": "promote"}, ("new", ("new", 1, "Promoting"))),
        ({"running_revision": "new", "stable": pods(3, 2)}, ("new", ("new", 1, "Promoting"))),
        ({"running_revision": "new"}, ("new", None)),
        ({"running_revision": "new", "last_good": "new"}, ("new", None)),
    ]
    for change, expected in walk:
        state = decide(seen(rollout=TWO, **change), state)
        assert where(state) == expected, change


def test_checks_come_first_and_once() -> None:
    looks = steps({"has_checks": True}, READY | {"has_checks": True})
    state = walked(OLD, *looks)
    assert where(state)[1] == ("new", 0, "Checking")
    assert where(decide(looks[-1], state))[1] == ("new", 0, "Checking")

    passed = READY | {"has_checks": True, "checks": ChecksResult(passed=True, message="5/5 passed")}
    state = walked(state, *steps(passed, WATCHED | passed, READY | passed))

    assert where(state)[1] == ("new", 1, "Watching")
    assert state.canary is not None
    assert state.canary.checks == "5/5 passed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"failures": {"new": CRASH}}, "CrashLoop"),
        ({"checks": ChecksResult(passed=False, message="4/5 passed; greets: no hello")}, "ChecksFailed"),
        ({"canary": pods(1), "analysis": BAD, "elapsed": 5.0}, "GateFailed"),
    ],
)
def test_a_canary_in_trouble_is_given_up_and_stays_away(change: dict[str, Any], reason: str) -> None:
    has = {"has_checks": "checks" in change}
    state = walked(OLD, *steps(has, READY | has, change | has))

    assert where(state) == ("old", None)
    assert state.rolled_back is not None
    assert state.rolled_back.reason == reason
    assert walked(state, *steps({}, READY, WATCHED)) == state


@pytest.mark.parametrize("looks", [[READY], [READY, {"failures": {"new": CRASH}}], [READY, {"command": "abort"}]])
def test_what_runs_is_held_though_its_record_was_deleted(looks: list[dict[str, Any]]) -> None:
    gone = {"records": stored("new")}
    state = walked(OLD, *steps({}, READY, *(look | gone for look in looks)))

    assert state.stable == "old"
    assert (state.canary is None) is (len(looks) > 1)


def test_a_step_that_need_not_be_promoted_any_more_ends_by_itself() -> None:
    state = walked(OLD, *steps({}, READY, WATCHED, {"canary": pods(2)}, {"canary": pods(2)}))
    assert where(state)[1] == ("new", 1, "Paused")
    short = canary(*[CanaryStep(weight=20, pause=Pause(duration_seconds=60))] * 2)
    edited: dict[str, Any] = {"canary": pods(2), "analysis": WELL, "elapsed": 61.0, "rollout": short}
    assert where(walked(state, *(seen(**edited) for _ in range(2))))[1] == ("new", 1, "Promoting")


def test_a_step_ends_only_with_its_pods_ready_and_is_not_waited_for_for_ever() -> None:
    shaky = {"canary": pods(1, 0), "analysis": WELL}
    state = walked(OLD, *steps({}, READY, shaky | {"elapsed": 61.0}))
    assert where(state)[1] == ("new", 0, "Watching")
    assert where(decide(seen(rollout=TWO, **WATCHED), state))[1] == ("new", 1, "Starting")

    # Whom a person holds, by either means, may be unwell for a while.
    late = shaky | {"elapsed": 661.0}
    assert where(walked(state, *steps(shaky | {"command": "pause"}, late)))[1] == ("new", 0, "Watching")
    held = walked(OLD, *steps({}, READY, WATCHED, {"canary": pods(2)}, WATCHED, late))
    assert where(held)[1] == ("new", 1, "Paused")

    state = walked(state, *steps(late))

    assert where(state) == ("old", None)
    assert state.rolled_back is not None
    assert state.rolled_back.reason == "Unavailable"


def test_trouble_of_the_stable_pods_is_not_the_canarys() -> None:
    state = walked(OLD, *steps({}, READY, READY | {"failures": {"old": CRASH}}))

    assert where(state) == ("old", ("new", 0, "Watching"))


def test_too_few_requests_hold_nothing_up_and_are_told() -> None:
    state = walked(OLD, *steps({}, READY, WATCHED | {"analysis": FEW}))

    assert where(state)[1] == ("new", 1, "Starting")
    state = walked(state, *steps({"canary": pods(2)}))
    assert state.canary is not None
    assert state.canary.message == f"step 1: {FEW.message}"


def test_no_step_ends_before_its_metrics_were_looked_at() -> None:
    state = walked(OLD, *steps({}, READY, {"canary": pods(1), "elapsed": 100.0}))

    assert where(state)[1] == ("new", 0, "Watching")


def test_a_second_change_starts_the_canary_anew() -> None:
    state = walked(OLD, *steps({}, READY, WATCHED))
    third = seen("third", rollout=TWO, records=stored("old", "new", "third"))

    assert where(decide(third, state)) == ("old", ("third", 0, "Starting"))


def test_a_change_while_promoting_starts_a_canary_beside_what_was_promoted() -> None:
    promoting = walked(OLD, *steps({}, READY, READY | {"command": "promote-full"}))
    assert where(promoting)[0] == "new"
    third = seen("third", rollout=TWO, records=stored("old", "new", "third"), running_revision="new", stable=pods(3, 1))

    assert where(decide(third, promoting)) == ("new", ("third", 0, "Starting"))


def test_going_back_to_what_runs_ends_the_canary() -> None:
    state = walked(OLD, *steps({}, READY))

    assert where(decide(seen("old", rollout=TWO), state)) == ("old", None)


def test_a_promotion_that_fails_returns_to_what_was_good() -> None:
    state = walked(OLD, *steps({}, READY, READY | {"command": "promote-full"}))

    state = walked(state, *steps({"running_revision": "new", "stable": pods(3, 2), "failures": {"new": CRASH}}))

    assert where(state) == ("old", None)


@pytest.mark.parametrize(
    "look",
    [
        seen(rollout=TWO, stable=pods(0)),
        seen(rollout=TWO, last_good=None),
        seen(rollout=TWO, records=stored("new")),
        seen(rollout=rolling()),
    ],
    ids=["scaled to zero", "nothing good to compare with", "nothing to return to", "no canary wanted"],
)
def test_there_is_no_canary(look: RolloutInputs) -> None:
    assert where(decide(look, OLD)) == ("new", None)


def test_a_strategy_changed_in_the_midst_lets_the_target_run() -> None:
    state = walked(OLD, *steps({}, READY))

    assert where(decide(seen(rollout=rolling()), state)) == ("new", None)


def test_fewer_steps_in_the_midst_end_with_the_last() -> None:
    state = walked(OLD, *steps({}, READY, WATCHED, {"canary": pods(2)}))
    one = canary(CanaryStep(weight=20, pause=Pause(duration_seconds=60)))

    assert where(decide(seen(rollout=one, **WATCHED), state)) == ("new", ("new", 1, "Promoting"))


def test_without_automatic_rollback_a_failing_canary_waits_for_a_person() -> None:
    held = TWO.model_copy(update={"auto_rollback": False})
    looks = [seen(rollout=held, **change) for change in ({}, READY, READY | {"failures": {"new": CRASH}}, WATCHED)]

    state = walked(OLD, *looks)

    assert state.paused
    assert where(state) == ("old", ("new", 0, "Paused"))
    assert state.canary is not None
    assert CRASH.message in (state.canary.message or "")


def test_a_lost_status_goes_on_from_what_runs() -> None:
    assert where(decide(seen(rollout=TWO), RolloutStatus())) == ("old", ("new", 0, "Starting"))


def test_a_decision_of_which_nothing_was_stored_is_taken_anew() -> None:
    third = seen("third", rollout=TWO)

    assert where(decide(third, RolloutStatus(target="lost", stable="lost"))) == ("old", ("third", 0, "Starting"))


# What a person says


def test_a_paused_canary_goes_on_when_it_is_resumed() -> None:
    state = walked(OLD, *steps({}, READY, READY | {"command": "pause"}, WATCHED))
    assert state.paused
    assert where(state)[1] == ("new", 0, "Watching")

    state = walked(state, *steps(WATCHED | {"command": "resume"}))

    assert where(state)[1] == ("new", 1, "Starting")


def test_a_command_is_carried_out_once() -> None:
    """It may still stand in the annotation when the next pass looks."""
    promote = READY | {"command": "promote"}
    state = walked(OLD, *steps({}, READY, promote))
    assert where(state)[1] == ("new", 1, "Starting")

    state = walked(state, *steps(promote, promote))
    assert where(state)[1] == ("new", 1, "Paused")

    state = walked(state, *steps(READY, promote))
    assert where(state)[1] == ("new", 1, "Promoting")


def test_an_aborted_canary_stays_away_until_it_is_tried_again() -> None:
    state = walked(OLD, *steps({}, READY, READY | {"command": "abort"}, {}, READY))
    assert where(state) == ("old", None)
    assert state.rolled_back is not None
    assert state.rolled_back.reason == "Aborted"

    state = walked(state, *steps({"command": "retry"}))
    assert where(state) == ("old", ("new", 0, "Starting"))


def test_a_rollback_holds_until_the_spec_asks_for_something_else() -> None:
    good = seen(running_revision="new", last_good="new")
    state = decide(replace(good, command="rollback"), RolloutStatus(target="new", stable="new"))
    assert where(state) == ("old", None)
    assert state.rolled_back is not None
    assert state.rolled_back.manual

    # A channel's new version is no wish of the user.
    moved = seen("newer", spec_hash="asks-new", records=stored("old", "new", "newer"))
    assert where(decide(moved, state))[0] == "old"
    assert where(decide(seen("third", records=stored("old", "new", "third")), state))[0] == "third"


def test_a_rollback_to_what_the_spec_asks_for_takes_the_pin_away() -> None:
    state = decide(seen(running_revision="new", last_good="new", command="rollback=old"), OLD)
    assert where(state)[0] == "old"

    state = decide(seen(running_revision="old", last_good="new", command="rollback=new"), state)

    assert where(state)[0] == "new"
    assert state.rolled_back is None


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sing", "no command"),
        ("pause", "no canary"),
        ("abort", "no canary"),
        ("resume", "nothing is paused"),
        ("promote", "no canary waits"),
        ("retry", "no revision was given up"),
        ("rollback=none", "kept are new"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(command: str, said: str) -> None:
    look = seen("old", command=command)

    assert said in refusal(look, OLD)
    assert decide(look, OLD) == OLD.model_copy(update={"command": command})


# When to look again, and what must be on record first


def test_one_looks_again_while_a_step_lasts_and_no_longer() -> None:
    starting, watching, paused = (
        walked(OLD, *steps({})),
        walked(OLD, *steps({}, READY)),
        walked(OLD, *steps({}, READY, WATCHED, {"canary": pods(2)}, WATCHED)),
    )

    assert requeue_after(seen(rollout=TWO), OLD) is None
    assert requeue_after(seen(rollout=TWO), starting) is None
    assert requeue_after(seen(rollout=TWO), watching) == 5
    assert requeue_after(seen(rollout=TWO, elapsed=58.5), watching) == 1.5
    assert requeue_after(seen(rollout=TWO), paused) == 5


def test_what_would_be_decided_otherwise_when_forgotten_is_on_record_first() -> None:
    given_up = walked(OLD, seen(), seen(running_revision="new", stable=pods(3, 2), failures={"new": CRASH}))
    started = walked(OLD, *steps({}))

    assert must_persist_first(walked(OLD, seen()), given_up)
    assert must_persist_first(OLD, started)
    assert not must_persist_first(started, started)
    assert not must_persist_first(RolloutStatus(), decide(first(), RolloutStatus()))
    assert not must_persist_first(OLD, walked(OLD, seen()))
