"""The plan of a channel that halts, is paused, or has a maintenance window; rollbacks."""

from tests.unit.agent_operator.fleet.simulation import complete_wave, three_wave_fleet


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
    """Waves, maxConcurrent and the maintenance window do not delay the rollback."""
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
