"""What a fleet makes of an AgentDeployment."""

from typing import Any

import pytest

from agent_operator.fleet.members import Release, channel_use, followed_channel, read_member


def raw(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """An agent that follows `stable`, was given version 2 after revision r1, and runs it well as r2."""
    well = {
        "observedGeneration": 3,
        "runtimeVersion": "2",
        "revision": "r2",
        "lastGoodRevision": "r2",
        "rollout": {"target": "r2", "stable": "r2"},
        "channel": {"name": "stable", "version": "2", "after": "r1"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}],
    }
    meta = {"name": "a", "namespace": "ns", "uid": "u", "generation": 3, "labels": {"x": "y"}}
    given = {"runtime": {"channel": "stable"}} | spec
    return {"metadata": meta, "spec": given, "status": well if status is None else well | status}


def condition(kind: str, status: str, reason: str = "Any") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason}


def test_an_agent_that_runs_what_it_was_given_is_updated() -> None:
    found = read_member(raw())

    assert found is not None
    assert (found.updated, found.failed, found.skipped, found.was_healthy) == (True, False, False, True)
    assert (found.assigned, found.running_version, found.requested_revision, str(found)) == (
        Release("2"),
        "2",
        "r2",
        "ns/a",
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"observedGeneration": 2},
        {"runtimeVersion": "1"},
        {"rollout": {"target": "r1"}},
        {"rollout": {"target": "r2", "canary": {"phase": "Watching"}}},
        {"rollout": {}},
        {"conditions": [condition("Ready", "False")]},
        {"conditions": [condition("Ready", "False"), condition("Available", "True")], "lastGoodRevision": "r1"},
    ],
    ids=["edited", "old version", "not looked at", "canary", "no rollout", "not ready", "never ready"],
)
def test_an_agent_that_is_not_there_yet_is_neither_updated_nor_failed(changed: dict[str, Any]) -> None:
    found = read_member(raw(changed))

    assert found is not None
    assert (found.updated, found.failed) == (False, False)


def test_what_was_wholly_ready_and_still_answers_is_updated() -> None:
    """An autoscaler that adds a pod makes it unready for a while."""
    found = read_member(raw({"conditions": [condition("Ready", "False"), condition("Available", "True")]}))

    assert found is not None
    assert found.updated


@pytest.mark.parametrize(
    "changed",
    [
        {"rollout": {"target": "r2", "stable": "r1", "rolledBack": {"revision": "r2"}}, "runtimeVersion": "1"},
        {"conditions": [condition("Stalled", "True")]},
        {"conditions": [condition("Progressing", "False", "ProgressDeadlineExceeded")]},
    ],
    ids=["rolled back", "stalled", "deadline"],
)
def test_an_agent_that_failed_with_what_it_was_given(changed: dict[str, Any]) -> None:
    found = read_member(raw(changed))

    assert found is not None
    assert found.failed
    assert not found.updated


def test_a_failure_of_before_is_none_of_what_it_was_just_given() -> None:
    """It rolled back its own bad prompt; the channel's version has not been looked at yet."""
    rollout = {"target": "r1", "stable": "r0", "rolledBack": {"revision": "r1"}}
    found = read_member(raw({"rollout": rollout, "conditions": [condition("Stalled", "True")]}))

    assert found is not None
    assert not found.failed


@pytest.mark.parametrize(
    "spec",
    [
        {"runtime": {}},
        {"runtime": {"channel": "stable", "version": "1"}},
        {"runtime": {"channel": "stable", "image": "own:1"}},
        {"podTemplate": {"spec": {"containers": [{"name": "agent", "image": "own:1"}]}}},
    ],
    ids=["no channel", "version", "image", "image of the pod template"],
)
def test_an_agent_with_a_pin_follows_nothing(spec: dict[str, Any]) -> None:
    assert followed_channel(raw(**spec)) == ""
    assert read_member(raw(**spec)) is None


def test_what_another_channel_gave_counts_as_nothing() -> None:
    found = read_member(raw({"channel": {"name": "former", "version": "9"}}))

    assert found is not None
    assert (found.assigned, found.updated, found.running_version) == (None, False, "2")


@pytest.mark.parametrize(
    ("changed", "spec"),
    [
        ({}, {"suspend": True}),
        ({"rollout": {"target": "r2", "rolledBack": {"revision": "r1", "manual": True}}}, {}),
        ({"rollout": {"target": "r2", "rolledBack": {"revision": "r2", "manual": True}}}, {}),
        ({"rollout": {"target": "r1"}, "conditions": [condition("ConfigValid", "False")]}, {}),
        ({"rollout": {"target": "r1"}, "conditions": [condition("SecretsReady", "False")]}, {}),
    ],
    ids=["suspended", "rolled back by a person", "this very revision", "spec at fault", "Secret at fault"],
)
def test_who_cannot_change_is_skipped(changed: dict[str, Any], spec: dict[str, Any]) -> None:
    found = read_member(raw(changed, **spec))

    assert found is not None
    assert (found.skipped, found.updated, found.failed) == (True, False, False)


def test_a_new_agent_is_one_that_never_ran() -> None:
    made = raw()
    del made["status"]
    found = read_member(made)

    assert found is not None
    assert (found.assigned, found.running_version, found.was_healthy, found.skipped) == (None, "", False, False)


def test_what_is_written_tells_which_status_is_still_about_before(make: Any) -> None:
    assert channel_use(make("a"), Release("2")) == {"name": "stable", "version": "2", "image": None, "after": "r1"}
    assert channel_use(make("a"), Release("1", "own"))["after"] == "r1"
    assert channel_use(make("a"), Release("1"))["after"] is None, "it changes nothing, so nothing will"
    assert channel_use(make("a", requested_revision="", running_version=""), Release("1"))["after"] is None
