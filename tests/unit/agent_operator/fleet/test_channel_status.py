"""Status, Events and counts of a channel."""

from typing import Any

from agent_operator.api.reasons import ChannelReason
from agent_operator.api.v1alpha1 import AgentRuntimeChannelStatus
from agent_operator.fleet import channel_status
from tests.unit.agent_operator.fleet.simulation import SimulatedFleet, make_fleet, make_member

WAVES = (("a", {"soakSeconds": 60}),)


def upgrading_fleet(**spec: Any) -> SimulatedFleet:
    fleet = make_fleet([*(make_member(f"a{n:02}", wave="a") for n in range(12)), make_member("b")], WAVES, **spec)
    fleet.edit_spec(version="2", **spec)
    return fleet


def test_summary_is_one_line() -> None:
    fleet = upgrading_fleet(maxFailures=99)
    fleet.reconcile()
    fleet.finish_upgrades("a00", "a01", "a02")
    fleet.finish_upgrades("a03", fails=True)
    fleet.reconcile()

    assert fleet.status["summary"] == "3/13 updated, wave 1/2, 1 failed: ns/a03"
    assert (fleet.status["progress"], fleet.status["wave"]) == ("3/13", "1/2")


def test_summary_names_three_failed_agents_and_the_list_ten() -> None:
    fleet = upgrading_fleet(maxFailures=99)
    fleet.reconcile()
    fleet.finish_upgrades(*(f"a{n:02}" for n in range(10)), fails=True)
    fleet.reconcile()
    fleet.finish_upgrades("a10", "a11", fails=True)
    fleet.reconcile()

    assert fleet.status["summary"].endswith("12 failed: ns/a00, ns/a01, ns/a02 and 9 more")
    assert len(fleet.status["failedAgents"]) == 10


def test_conditions_agree_with_kstatus() -> None:
    fleet = upgrading_fleet()
    assert {it["type"] for it in fleet.status["conditions"]} == {"Ready", "Progressing"}
    fleet.reconcile()
    assert {it["type"]: it["status"] for it in fleet.status["conditions"]} == {
        "Ready": "False",
        "Progressing": "True",
        "Reconciling": "True",
    }
    fleet.finish_upgrades("a00", fails=True)
    fleet.reconcile()
    assert {it["type"]: it["status"] for it in fleet.status["conditions"]} == {
        "Ready": "False",
        "Progressing": "False",
        "Halted": "True",
        "Stalled": "True",
    }


def test_condition_keeps_its_transition_time() -> None:
    fleet = upgrading_fleet()
    fleet.reconcile()
    since = fleet.condition("Ready")["lastTransitionTime"]
    fleet.advance_clock(30)
    fleet.finish_upgrades("a00")
    fleet.reconcile()

    assert fleet.condition("Ready")["lastTransitionTime"] == since
    assert fleet.condition("Ready")["observedGeneration"] == fleet.generation


def test_tolerated_failures_are_reported_at_the_end() -> None:
    fleet = make_fleet([make_member("a"), make_member("b")], maxFailures=1)
    fleet.edit_spec(version="2")
    fleet.reconcile()
    fleet.finish_upgrades("a", fails=True)
    fleet.finish_upgrades("b")
    fleet.reconcile()

    assert fleet.status["stableVersion"] == "2"
    assert fleet.condition("Ready")["reason"] == "AgentsFailed"
    assert "ns/a" in fleet.condition("Stalled")["message"]


def reported_reasons(fleet: SimulatedFleet) -> list[ChannelReason]:
    """Reconcile, and return the reasons of its Events."""
    reasons = [event.reason for event in channel_status.events(fleet.plan())]
    fleet.reconcile()
    return reasons


def test_each_change_has_one_event() -> None:
    fleet = make_fleet([make_member("a", wave="a"), make_member("b")], WAVES)
    assert reported_reasons(fleet) == []
    fleet.edit_spec(version="2")
    assert reported_reasons(fleet) == ["RollingOut", "WaveStarted"]
    fleet.finish_upgrades("a")
    assert reported_reasons(fleet) == []
    fleet.advance_clock(60)
    assert reported_reasons(fleet) == ["WaveHealthy", "WaveStarted"]
    fleet.finish_upgrades("b", fails=True)
    assert reported_reasons(fleet) == ["Halted"]
    assert reported_reasons(fleet) == []
    fleet.edit_spec(version="1")
    assert reported_reasons(fleet) == ["RollingOut"]


def test_invalid_spec_is_reported() -> None:
    found = channel_status.invalid_spec(
        "stable", 4, "spec.waves: wrong", AgentRuntimeChannelStatus(), "2026-01-05T12:00:00Z"
    )

    assert found["observedGeneration"] == 4
    assert {it["type"]: it["status"] for it in found["conditions"]} == {
        "Ready": "False",
        "Progressing": "False",
        "Stalled": "True",
    }
    assert "spec.waves: wrong" in found["conditions"][0]["message"]


def test_each_agent_counts_in_one_state() -> None:
    fleet = make_fleet([make_member(name) for name in "abcde"], [], maxFailures=9)
    fleet.agents["e"] = make_member("e", skipped=True)
    fleet.edit_spec(version="2", waves=[{"selector": {}, "maxConcurrent": 3}])
    fleet.reconcile()
    fleet.finish_upgrades("a")
    fleet.finish_upgrades("b", fails=True)
    channel_plan = fleet.plan()

    assert channel_status.counts(channel_plan.channel, channel_plan.agents) == {
        "updated": 1,
        "failed": 1,
        "rolling": 1,
        "waiting": 1,
        "skipped": 1,
    }
