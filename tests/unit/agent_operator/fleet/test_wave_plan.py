"""The plan of a channel: waves, soaks and concurrent upgrades."""

from tests.unit.agent_operator.fleet.simulation import (
    TWO_WAVES,
    complete_wave,
    make_fleet,
    make_member,
    three_wave_fleet,
)


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
    """If the wave started again, an owner who edits one agent would stop the upgrade of all others."""
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


def test_empty_wave_is_done() -> None:
    fleet = make_fleet([make_member("b1", wave="b")], TWO_WAVES)
    fleet.edit_spec(version="2")

    assert fleet.reconcile() == {"b1": "2"}
    assert fleet.phases == ["Done", "RollingOut"]


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
