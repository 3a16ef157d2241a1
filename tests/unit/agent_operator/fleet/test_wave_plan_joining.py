"""The plan of a channel for agents that are new, join later, or are skipped."""

import pytest

from tests.unit.agent_operator.fleet.simulation import NEW, TWO_WAVES, make_fleet, make_member, three_wave_fleet


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
