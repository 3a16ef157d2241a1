"""The plan of a channel: which agents are assigned which version, and when."""

from typing import Any

import pytest

from tests.unit.agent_operator.fleet.simulation import NEW, SimulatedFleet, make_fleet, make_member

TWO_WAVES = (("a", {"soakSeconds": 60}), ("b", {"soakSeconds": 60}))


def three_wave_fleet(**spec: Any) -> SimulatedFleet:
    agents = [
        make_member("a1", wave="a"),
        make_member("a2", wave="a"),
        make_member("b1", wave="b"),
        make_member("c1"),
        make_member("c2"),
    ]
    return make_fleet(agents, TWO_WAVES, **spec)


def complete_wave(fleet: SimulatedFleet, *names: str, seconds: float = 60) -> None:
    """Upgrade the agents of the current wave, and let it soak."""
    fleet.reconcile()
    fleet.finish_upgrades(*names)
    fleet.reconcile()
    fleet.advance_clock(seconds)


def test_complete_channel_assigns_nothing_and_keeps_its_status() -> None:
    fleet = three_wave_fleet()
    before = fleet.status

    assert fleet.reconcile() == {}
    fleet.advance_clock(100_000)
    assert fleet.reconcile() == {}
    assert fleet.status == before
    assert fleet.plan().requeue_after is None


def test_waves_upgrade_one_after_the_other() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")

    assert fleet.reconcile() == {"a1": "2", "a2": "2"}
    assert fleet.phases == ["RollingOut", "Waiting", "Waiting"]
    fleet.finish_upgrades("a1")
    assert fleet.reconcile() == {}
    fleet.finish_upgrades("a2")
    assert fleet.reconcile() == {}
    assert fleet.phases == ["Soaking", "Waiting", "Waiting"]
    fleet.advance_clock(60)
    assert fleet.reconcile() == {"b1": "2"}
    fleet.finish_upgrades("b1")
    fleet.reconcile()
    fleet.advance_clock(60)
    assert fleet.reconcile() == {"c1": "2", "c2": "2"}
    fleet.finish_upgrades("c1", "c2")
    fleet.reconcile()
    assert fleet.phases == ["Done", "Done", "Done"]
    assert fleet.status["stableVersion"] == "2"


def test_soak_is_requeued_when_it_ends() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    fleet.reconcile()
    fleet.finish_upgrades("a1", "a2")
    fleet.reconcile()
    fleet.advance_clock(59)

    assert fleet.reconcile() == {}
    assert fleet.plan().requeue_after == 1


def test_soak_restarts_when_an_agent_becomes_unhealthy() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    fleet.reconcile()
    fleet.finish_upgrades("a1", "a2")
    fleet.reconcile()
    fleet.advance_clock(50)
    fleet.agents["a1"] = make_member(
        "a1", wave="a", assigned=fleet.agents["a1"].assigned, running_version="2", updated=False
    )
    fleet.reconcile()
    assert fleet.phases[0] == "RollingOut"
    fleet.finish_upgrades("a1")
    fleet.reconcile()
    fleet.advance_clock(59)

    assert fleet.reconcile() == {}
    fleet.advance_clock(1)
    assert fleet.reconcile() == {"b1": "2"}


def test_soak_restarts_when_the_clock_is_set_back() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    fleet.reconcile()
    fleet.finish_upgrades("a1", "a2")
    fleet.reconcile()
    fleet.advance_clock(-1000)
    fleet.reconcile()
    fleet.advance_clock(59)

    assert fleet.reconcile() == {}
    fleet.advance_clock(1)
    assert fleet.reconcile() == {"b1": "2"}


def test_done_wave_stays_done_when_an_agent_becomes_unhealthy() -> None:
    """Otherwise an owner who edits one agent would stop the upgrade of all others."""
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    complete_wave(fleet, "a1", "a2")
    fleet.reconcile()
    fleet.agents["a1"] = make_member(
        "a1", wave="a", assigned=fleet.agents["a1"].assigned, running_version="2", updated=False
    )
    fleet.finish_upgrades("b1")
    fleet.reconcile()
    fleet.advance_clock(60)

    assert fleet.reconcile() == {"c1": "2", "c2": "2"}


def test_max_concurrent_limits_upgrades() -> None:
    fleet = make_fleet([make_member(f"a{n}", wave="a") for n in range(5)], [("a", {"maxConcurrent": 2})])
    fleet.edit_spec(version="2")

    assert fleet.reconcile() == {"a0": "2", "a1": "2"}
    assert fleet.reconcile() == {}
    fleet.finish_upgrades("a1")
    assert fleet.reconcile() == {"a2": "2"}


def test_max_concurrent_defaults_to_ten() -> None:
    fleet = make_fleet([make_member(f"a{n:02}") for n in range(12)])
    fleet.edit_spec(version="2")

    assert len(fleet.reconcile()) == 10


def test_too_many_failures_halt_the_rollout() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2", waves=[fleet.spec["waves"][0] | {"maxConcurrent": 1}, fleet.spec["waves"][1]])
    assert fleet.reconcile() == {"a1": "2"}
    fleet.finish_upgrades("a1", fails=True)

    assert fleet.reconcile() == {}
    assert fleet.phases == ["Halted", "Waiting", "Waiting"]
    assert fleet.condition("Halted")["status"] == "True"
    assert "ns/a1" in fleet.condition("Halted")["message"]
    assert fleet.status["failedAgents"] == ["ns/a1"]
    fleet.advance_clock(10_000)
    assert fleet.reconcile() == {}


def test_failures_within_max_failures_are_tolerated() -> None:
    fleet = three_wave_fleet(maxFailures=1)
    fleet.edit_spec(version="2")
    fleet.reconcile()
    fleet.finish_upgrades("a1", fails=True)
    fleet.finish_upgrades("a2")
    fleet.reconcile()
    assert fleet.phases[0] == "Soaking"
    fleet.advance_clock(60)

    assert fleet.reconcile() == {"b1": "2"}


def test_fixed_failure_ends_the_halt() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    fleet.reconcile()
    fleet.finish_upgrades("a1", fails=True)
    fleet.finish_upgrades("a2")
    fleet.reconcile()
    fleet.finish_upgrades("a1")
    fleet.reconcile()

    assert fleet.phases[0] == "Soaking"
    assert fleet.condition("Halted") == {}


def test_rollback_to_the_stable_version_assigns_all_agents_at_once() -> None:
    """Regardless of waves, maxConcurrent and the maintenance window."""
    window = {"cron": "0 3 * * *", "duration": "1h"}
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    complete_wave(fleet, "a1", "a2")
    fleet.reconcile()
    fleet.finish_upgrades("b1", fails=True)
    fleet.reconcile()
    fleet.edit_spec(
        version="1", window=window, waves=[fleet.spec["waves"][0] | {"maxConcurrent": 1}, fleet.spec["waves"][1]]
    )

    assert fleet.reconcile() == {"a1": "1", "a2": "1", "b1": "1"}
    fleet.finish_upgrades("a1", "a2", "b1")
    fleet.reconcile()
    assert fleet.condition("Ready")["reason"] == "Complete"
    assert fleet.phases == ["Done", "Done", "Done"]


def test_new_version_during_a_rollout_starts_with_the_first_wave() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    complete_wave(fleet, "a1", "a2")
    assert fleet.reconcile() == {"b1": "2"}
    fleet.edit_spec(version="3")

    assert fleet.reconcile() == {"a1": "3", "a2": "3"}
    assert fleet.phases == ["RollingOut", "Waiting", "Waiting"]
    assert fleet.status["stableVersion"] == "1"


def test_new_image_is_a_new_release() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(image="elsewhere/agent-runtime")

    assert fleet.reconcile() == {"a1": "1", "a2": "1"}
    assert fleet.agents["a1"].assigned.image == "elsewhere/agent-runtime"
    assert fleet.status["stableVersion"] == "1"
    assert "stableImage" not in fleet.status


def test_edited_waves_keep_assignments() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    complete_wave(fleet, "a1", "a2")
    assert fleet.reconcile() == {"b1": "2"}
    new = {"selector": {"matchExpressions": [{"key": "wave", "operator": "DoesNotExist"}]}, "name": "first"}
    fleet.edit_spec(waves=[new, *fleet.spec["waves"]])

    assert fleet.reconcile() == {"c1": "2", "c2": "2"}
    assert {name for name, agent in fleet.agents.items() if fleet.assigned_version(name) == "2"} == {
        "a1",
        "a2",
        "b1",
        "c1",
        "c2",
    }


def test_moved_wave_stays_done() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    complete_wave(fleet, "a1", "a2")
    fleet.reconcile()
    empty = {"selector": {"matchLabels": {"wave": "none"}}}
    fleet.edit_spec(waves=[empty, *fleet.spec["waves"]])
    fleet.reconcile()

    assert fleet.phases[:2] == ["Done", "Done"]


def test_paused_channel_assigns_nothing() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2", paused=True)

    assert fleet.reconcile() == {}
    assert fleet.condition("Paused")["status"] == "True"
    assert fleet.condition("Ready")["reason"] == "Paused"
    fleet.edit_spec(paused=False)
    assert fleet.reconcile() == {"a1": "2", "a2": "2"}
    assert fleet.condition("Paused") == {}


def test_soak_continues_while_paused() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    fleet.reconcile()
    fleet.finish_upgrades("a1", "a2")
    fleet.edit_spec(paused=True)
    fleet.reconcile()
    fleet.advance_clock(60)
    assert fleet.reconcile() == {}
    fleet.edit_spec(paused=None)

    assert fleet.reconcile() == {"b1": "2"}


def test_closed_window_stops_assignments_but_not_the_soak() -> None:
    fleet = three_wave_fleet(window={"cron": "0 12 * * *", "duration": "90s"})
    fleet.edit_spec(version="2")
    assert fleet.reconcile() == {"a1": "2", "a2": "2"}
    fleet.finish_upgrades("a1", "a2")
    fleet.reconcile()
    fleet.advance_clock(100)
    assert fleet.reconcile() == {}
    assert fleet.phases == ["Done", "RollingOut", "Waiting"]
    assert fleet.condition("Ready")["reason"] == "WindowClosed"
    assert fleet.plan().requeue_after == 24 * 3600 - 100
    fleet.advance_clock(24 * 3600 - 100)

    assert fleet.reconcile() == {"b1": "2"}


def test_invalid_window_stalls_the_channel() -> None:
    fleet = three_wave_fleet(window={"cron": "0 99 * * *", "duration": "1h"})
    fleet.edit_spec(version="2")

    assert fleet.reconcile() == {}
    assert fleet.condition("Stalled")["reason"] == "InvalidWindow"
    assert "spec.window.cron" in fleet.condition("Ready")["message"]


@pytest.mark.parametrize(
    ("wave", "version"),
    [("a", "2"), ("b", "1")],
    ids=["current wave", "waiting wave"],
)
def test_new_agent_starts_with_the_version_of_its_wave(wave: str, version: str) -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    fleet.reconcile()
    fleet.agents["new"] = make_member("new", wave=wave, **NEW)

    assert fleet.reconcile() == {"new": version}


def test_new_agents_of_a_new_channel_start_with_its_version() -> None:
    fleet = make_fleet([], TWO_WAVES)
    fleet.agents = {name: make_member(name, wave=wave, **NEW) for name, wave in (("x", "a"), ("y", "b"), ("z", ""))}

    assert fleet.reconcile() == {"x": "1", "y": "1", "z": "1"}


def test_new_agent_gets_the_stable_version_of_a_halted_channel() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    fleet.reconcile()
    fleet.finish_upgrades("a1", "a2", fails=True)
    fleet.agents["new"] = make_member("new", wave="a", **NEW)

    assert fleet.reconcile() == {"new": "1"}


def test_running_agent_that_joins_waits_for_its_wave() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    fleet.reconcile()
    fleet.agents["b0"] = make_member("b0", wave="b", assigned=None, running_version="0", updated=False)

    assert fleet.reconcile() == {}
    fleet.finish_upgrades("a1", "a2")
    fleet.reconcile()
    fleet.advance_clock(60)
    assert fleet.reconcile() == {"b0": "2", "b1": "2"}


def test_running_agents_that_join_a_complete_channel_respect_max_concurrent() -> None:
    fleet = three_wave_fleet()
    for name in ("n1", "n2", "n3"):
        fleet.agents[name] = make_member(name, wave="a", assigned=None, running_version="0", updated=False)
    fleet.edit_spec(waves=[fleet.spec["waves"][0] | {"maxConcurrent": 1}, fleet.spec["waves"][1]])

    assert fleet.reconcile() == {"n1": "1"}
    fleet.finish_upgrades("n1", fails=True)
    assert fleet.reconcile() == {}, "the failed agent keeps its slot"


def test_first_agents_of_a_channel_upgrade_in_waves() -> None:
    fleet = make_fleet([], TWO_WAVES)
    fleet.agents = {
        name: make_member(name, wave=name[0], assigned=None, running_version="0", updated=False)
        for name in ("a1", "b1")
    }

    assert fleet.reconcile() == {"a1": "1"}


def test_skipped_agents_do_not_block_a_wave_and_upgrade_later() -> None:
    fleet = three_wave_fleet()
    fleet.agents["a1"] = make_member("a1", wave="a", skipped=True, updated=False)
    fleet.edit_spec(version="2")
    assert fleet.reconcile() == {"a2": "2"}
    fleet.finish_upgrades("a2")
    fleet.reconcile()
    fleet.advance_clock(60)
    assert fleet.reconcile() == {"b1": "2"}
    assert fleet.status["skipped"] == 1
    fleet.agents["a1"] = make_member("a1", wave="a")

    assert fleet.reconcile() == {"a1": "2"}


def test_new_agent_does_not_restart_a_soak() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    fleet.reconcile()
    fleet.finish_upgrades("a1", "a2")
    fleet.reconcile()
    fleet.advance_clock(59)
    fleet.agents["new"] = make_member("new", wave="a", **NEW)
    assert fleet.reconcile() == {"new": "2"}
    fleet.advance_clock(1)

    assert fleet.reconcile() == {"b1": "2"}


def test_empty_wave_is_done() -> None:
    fleet = make_fleet([make_member("b1", wave="b")], TWO_WAVES)
    fleet.edit_spec(version="2")

    assert fleet.reconcile() == {"b1": "2"}
    assert fleet.phases == ["Done", "RollingOut"]


def test_channel_without_agents_is_not_complete_for_later_agents() -> None:
    """Waves that were empty when the channel was created have proved nothing."""
    fleet = make_fleet([], TWO_WAVES)
    fleet.reconcile()
    fleet.agents = {name: make_member(name, wave=wave, **NEW) for name, wave in (("x", "a"), ("y", "b"))}
    fleet.reconcile()
    fleet.reconcile()
    assert fleet.phases == ["RollingOut", "Waiting"]
    fleet.finish_upgrades("x", "y")
    fleet.reconcile()

    assert fleet.phases == ["Soaking", "Waiting"]


def test_crash_between_status_and_assignments_repeats_the_assignments() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    complete_wave(fleet, "a1", "a2")
    agents = dict(fleet.agents)
    assert fleet.reconcile() == {"b1": "2"}
    fleet.agents = agents

    assert fleet.reconcile() == {"b1": "2"}


def test_lost_status_only_repeats_soaks() -> None:
    fleet = three_wave_fleet()
    fleet.edit_spec(version="2")
    complete_wave(fleet, "a1", "a2")
    fleet.reconcile()
    fleet.finish_upgrades("b1")
    fleet.status = {}

    assert fleet.reconcile() == {}
    assert fleet.phases == ["Soaking", "Waiting", "Waiting"]
    fleet.advance_clock(60)
    assert fleet.reconcile() == {}
    fleet.advance_clock(60)
    assert fleet.reconcile() == {"c1": "2", "c2": "2"}
