"""Members of a channel, read from AgentDeployments."""

from typing import Any

import pytest

from agent_operator.fleet.members import Release, channel_use, followed_channel, read_member
from tests.unit.agent_operator.fleet.simulation import make_member


def raw(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """An agent that follows `stable`, was assigned version 2 after revision r1, and is healthy with it as r2."""
    healthy = {
        "observedGeneration": 3,
        "runtimeVersion": "2",
        "revision": "r2",
        "lastGoodRevision": "r2",
        "rollout": {"target": "r2", "stable": "r2"},
        "channel": {"name": "stable", "version": "2", "after": "r1"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}],
    }
    meta = {"name": "a", "namespace": "ns", "uid": "u", "generation": 3, "labels": {"x": "y"}}
    fields = {"runtime": {"channel": "stable"}} | spec
    return {"metadata": meta, "spec": fields, "status": healthy if status is None else healthy | status}


def condition(kind: str, status: str, reason: str = "Any") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason}


def test_agent_that_runs_the_assigned_release_is_updated() -> None:
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
    ids=["edited", "old version", "not reconciled", "canary", "no rollout", "not ready", "never ready"],
)
def test_agent_during_its_upgrade_is_neither_updated_nor_failed(changed: dict[str, Any]) -> None:
    found = read_member(raw(changed))

    assert found is not None
    assert (found.updated, found.failed) == (False, False)


def test_good_revision_that_is_only_available_is_updated() -> None:
    """An autoscaler that adds a pod makes the agent unready for a while."""
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
def test_agent_that_failed_with_the_assigned_release(changed: dict[str, Any]) -> None:
    found = read_member(raw(changed))

    assert found is not None
    assert found.failed
    assert not found.updated


def test_failure_before_the_assignment_does_not_count() -> None:
    """The agent rolled back a bad prompt before the assignment, and has not been reconciled since."""
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
def test_pinned_agent_follows_no_channel(spec: dict[str, Any]) -> None:
    assert followed_channel(raw(**spec)) == ""
    assert read_member(raw(**spec)) is None


def test_assignment_of_another_channel_does_not_count() -> None:
    found = read_member(raw({"channel": {"name": "other", "version": "9"}}))

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
    ids=["suspended", "rolled back by a user", "target rolled back by a user", "invalid spec", "missing Secret"],
)
def test_agent_that_cannot_upgrade_is_skipped(changed: dict[str, Any], spec: dict[str, Any]) -> None:
    found = read_member(raw(changed, **spec))

    assert found is not None
    assert (found.skipped, found.updated, found.failed) == (True, False, False)


def test_agent_without_status_is_new() -> None:
    fleet = raw()
    del fleet["status"]
    found = read_member(fleet)

    assert found is not None
    assert (found.assigned, found.running_version, found.was_healthy, found.skipped) == (None, "", False, False)


def test_channel_use_names_the_revision_of_the_status_before() -> None:
    assert channel_use(make_member("a"), Release("2")) == {
        "name": "stable",
        "version": "2",
        "image": None,
        "after": "r1",
    }
    assert channel_use(make_member("a"), Release("1", "own"))["after"] == "r1"
    assert channel_use(make_member("a"), Release("1"))["after"] is None, "the assignment changes nothing"
    assert channel_use(make_member("a", requested_revision="", running_version=""), Release("1"))["after"] is None
