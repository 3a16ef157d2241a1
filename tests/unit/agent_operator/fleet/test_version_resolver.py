"""What an agent's pass goes by."""

from typing import Any

import pytest

from agent_operator.fleet.version_resolver import resolve_version
from agent_operator.inputs.agent_inputs import Assigned

CHANNEL: dict[str, Any] = {"metadata": {"name": "stable"}, "spec": {"version": "2"}, "status": {}}
HALTED = CHANNEL | {"status": {"conditions": [{"type": "Halted", "status": "True"}]}}


def agent(runtime: dict[str, str] | None = None, **status: Any) -> dict[str, Any]:
    return {"metadata": {}, "spec": {"runtime": runtime or {"channel": "stable"}}, "status": status}


def test_an_agent_runs_what_its_channel_gave_to_it() -> None:
    given = {"name": "stable", "version": "2", "image": "own"}

    assert resolve_version(agent(channel=given), lambda _: CHANNEL).assigned == Assigned("2", "own")


@pytest.mark.parametrize("runtime", [{"version": "1"}, {"channel": "stable", "version": "1"}])
def test_who_follows_no_channel_is_left_alone(runtime: dict[str, str]) -> None:
    found = resolve_version(agent(runtime, channel={"name": "stable", "version": "2"}), lambda _: None)

    assert (found.assigned, found.pending, found.warning) == (None, None, None)


def test_a_new_agent_waits_for_its_channel() -> None:
    """Else it would start twice."""
    found = resolve_version(agent(), lambda _: CHANNEL)

    assert found.pending is not None
    assert found.pending.reason == "ChannelPending"


def test_a_new_agent_does_not_wait_for_a_channel_that_is_halted_or_missing() -> None:
    assert resolve_version(agent(), lambda _: HALTED).pending is None
    assert resolve_version(agent(), lambda _: None).pending is None


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        ({"runtimeVersion": "1"}, Assigned("1")),
        ({"runtimeVersion": "2", "channel": {"name": "former", "version": "2", "image": "x"}}, Assigned("2", "x")),
        ({"runtimeVersion": "sha256:abc"}, None),
    ],
    ids=["gave up a pin", "changed channels", "ran a digest"],
)
def test_who_waits_for_its_turn_keeps_what_it_runs(status: dict[str, Any], kept: Assigned | None) -> None:
    assert resolve_version(agent(**status), lambda _: CHANNEL).assigned == kept


def test_a_missing_channel_is_told_and_changes_nothing() -> None:
    found = resolve_version(agent(channel={"name": "stable", "version": "2"}), lambda _: None)

    assert found.assigned == Assigned("2")
    assert found.warning is not None
    assert found.warning.reason == "ChannelMissing"
    assert "stable" in found.warning.message
