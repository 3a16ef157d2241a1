"""The runtime version of an agent that follows a channel."""

from typing import Any

import pytest

from agent_operator.fleet.assigned_version import resolve_version
from agent_operator.inputs.agent_inputs import Assigned

CHANNEL: dict[str, Any] = {"metadata": {"name": "stable"}, "spec": {"version": "2"}, "status": {}}
HALTED = CHANNEL | {"status": {"conditions": [{"type": "Halted", "status": "True"}]}}


def agent(runtime: dict[str, str] | None = None, **status: Any) -> dict[str, Any]:
    return {"metadata": {}, "spec": {"runtime": runtime or {"channel": "stable"}}, "status": status}


def test_agent_runs_the_version_that_its_channel_assigned() -> None:
    use = {"name": "stable", "version": "2", "image": "own"}

    assert resolve_version(agent(channel=use), lambda _: CHANNEL).assigned == Assigned("2", "own")


@pytest.mark.parametrize("runtime", [{"version": "1"}, {"channel": "stable", "version": "1"}])
def test_agent_without_a_channel_gets_no_version(runtime: dict[str, str]) -> None:
    decision = resolve_version(agent(runtime, channel={"name": "stable", "version": "2"}), lambda _: None)

    assert (decision.assigned, decision.pending, decision.warning) == (None, None, None)


def test_new_agent_waits_for_its_channel() -> None:
    """If the agent did not wait, its pods would start with the default version and then restart."""
    decision = resolve_version(agent(), lambda _: CHANNEL)

    assert decision.pending is not None
    assert decision.pending.reason == "ChannelPending"


def test_new_agent_does_not_wait_for_a_halted_or_missing_channel() -> None:
    assert resolve_version(agent(), lambda _: HALTED).pending is None
    assert resolve_version(agent(), lambda _: None).pending is None


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        ({"runtimeVersion": "1"}, Assigned("1")),
        ({"runtimeVersion": "2", "channel": {"name": "other", "version": "2", "image": "x"}}, Assigned("2", "x")),
        ({"runtimeVersion": "sha256:abc"}, None),
    ],
    ids=["removed its pin", "changed its channel", "runs a digest"],
)
def test_agent_without_an_assignment_keeps_its_version(status: dict[str, Any], kept: Assigned | None) -> None:
    assert resolve_version(agent(**status), lambda _: CHANNEL).assigned == kept


def test_missing_channel_is_a_warning_and_keeps_the_version() -> None:
    decision = resolve_version(agent(channel={"name": "stable", "version": "2"}), lambda _: None)

    assert decision.assigned == Assigned("2")
    assert decision.warning is not None
    assert decision.warning.reason == "ChannelMissing"
    assert "stable" in decision.warning.message
