"""Who is given which version, and when."""

from typing import Any

import pytest

TWO = (("a", {"soakSeconds": 60}), ("b", {"soakSeconds": 60}))


def three_waves(world: Any, make: Any, **spec: Any) -> Any:
    agents = [make("a1", wave="a"), make("a2", wave="a"), make("b1", wave="b"), make("c1"), make("c2")]
    return world(agents, TWO, **spec)


def through(made: Any, *names: str, seconds: float = 60) -> None:
    """One wave is given the version, and soaks."""
    made.step()
    made.end(*names)
    made.step()
    made.tick(seconds)


def test_at_rest_nothing_is_given_and_the_status_stays(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    before = made.status

    assert made.step() == {}
    made.tick(100_000)
    assert made.step() == {}
    assert made.status == before
    assert made.look().requeue_after is None


def test_waves_go_one_after_the_other(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")

    assert made.step() == {"a1": "2", "a2": "2"}
    assert made.phases == ["RollingOut", "Waiting", "Waiting"]
    made.end("a1")
    assert made.step() == {}
    made.end("a2")
    assert made.step() == {}
    assert made.phases == ["Soaking", "Waiting", "Waiting"]
    made.tick(60)
    assert made.step() == {"b1": "2"}
    made.end("b1")
    made.step()
    made.tick(60)
    assert made.step() == {"c1": "2", "c2": "2"}
    made.end("c1", "c2")
    made.step()
    assert made.phases == ["Done", "Done", "Done"]
    assert made.status["stableVersion"] == "2"


def test_a_soak_lasts_its_time_and_says_when_to_look_again(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    made.step()
    made.end("a1", "a2")
    made.step()
    made.tick(59)

    assert made.step() == {}
    assert made.look().requeue_after == 1


def test_a_soak_begins_anew_when_an_agent_is_no_longer_well(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    made.step()
    made.end("a1", "a2")
    made.step()
    made.tick(50)
    made.agents["a1"] = make("a1", wave="a", assigned=made.agents["a1"].assigned, running_version="2", updated=False)
    made.step()
    assert made.phases[0] == "RollingOut"
    made.end("a1")
    made.step()
    made.tick(59)

    assert made.step() == {}
    made.tick(1)
    assert made.step() == {"b1": "2"}


def test_a_clock_that_is_set_back_begins_the_soak_anew(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    made.step()
    made.end("a1", "a2")
    made.step()
    made.tick(-1000)
    made.step()
    made.tick(59)

    assert made.step() == {}
    made.tick(1)
    assert made.step() == {"b1": "2"}


def test_what_goes_wrong_after_a_wave_was_done_does_not_undo_it(world: Any, make: Any) -> None:
    """An agent of it whose owner edits it would stop all others."""
    made = three_waves(world, make)
    made.edit(version="2")
    through(made, "a1", "a2")
    made.step()
    made.agents["a1"] = make("a1", wave="a", assigned=made.agents["a1"].assigned, running_version="2", updated=False)
    made.end("b1")
    made.step()
    made.tick(60)

    assert made.step() == {"c1": "2", "c2": "2"}


def test_no_more_are_under_way_than_may_be(world: Any, make: Any) -> None:
    made = world([make(f"a{n}", wave="a") for n in range(5)], [("a", {"maxConcurrent": 2})])
    made.edit(version="2")

    assert made.step() == {"a0": "2", "a1": "2"}
    assert made.step() == {}
    made.end("a1")
    assert made.step() == {"a2": "2"}


def test_ten_are_under_way_when_nothing_is_said(world: Any, make: Any) -> None:
    made = world([make(f"a{n:02}") for n in range(12)])
    made.edit(version="2")

    assert len(made.step()) == 10


def test_too_many_failures_halt(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2", waves=[made.spec["waves"][0] | {"maxConcurrent": 1}, made.spec["waves"][1]])
    assert made.step() == {"a1": "2"}
    made.end("a1", fails=True)

    assert made.step() == {}
    assert made.phases == ["Halted", "Waiting", "Waiting"]
    assert made.condition("Halted")["status"] == "True"
    assert "ns/a1" in made.condition("Halted")["message"]
    assert made.status["failedAgents"] == ["ns/a1"]
    made.tick(10_000)
    assert made.step() == {}


def test_failures_within_the_limit_are_tolerated(world: Any, make: Any) -> None:
    made = three_waves(world, make, maxFailures=1)
    made.edit(version="2")
    made.step()
    made.end("a1", fails=True)
    made.end("a2")
    made.step()
    assert made.phases[0] == "Soaking"
    made.tick(60)

    assert made.step() == {"b1": "2"}


def test_a_failure_that_is_mended_ends_the_halt(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    made.step()
    made.end("a1", fails=True)
    made.end("a2")
    made.step()
    made.end("a1")
    made.step()

    assert made.phases[0] == "Soaking"
    assert made.condition("Halted") == {}


def test_back_to_the_stable_version_goes_at_once_and_in_all_waves(world: Any, make: Any) -> None:
    """Outside of the window too, and however many."""
    window = {"cron": "0 3 * * *", "duration": "1h"}
    made = three_waves(world, make)
    made.edit(version="2")
    through(made, "a1", "a2")
    made.step()
    made.end("b1", fails=True)
    made.step()
    made.edit(version="1", window=window, waves=[made.spec["waves"][0] | {"maxConcurrent": 1}, made.spec["waves"][1]])

    assert made.step() == {"a1": "1", "a2": "1", "b1": "1"}
    made.end("a1", "a2", "b1")
    made.step()
    assert made.condition("Ready")["reason"] == "Complete"
    assert made.phases == ["Done", "Done", "Done"]


def test_another_version_in_the_midst_begins_with_the_first_wave(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    through(made, "a1", "a2")
    assert made.step() == {"b1": "2"}
    made.edit(version="3")

    assert made.step() == {"a1": "3", "a2": "3"}
    assert made.phases == ["RollingOut", "Waiting", "Waiting"]
    assert made.status["stableVersion"] == "1"


def test_another_image_is_another_version(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(image="elsewhere/agent-runtime")

    assert made.step() == {"a1": "1", "a2": "1"}
    assert made.agents["a1"].assigned.image == "elsewhere/agent-runtime"
    assert made.status["stableVersion"] == "1"
    assert "stableImage" not in made.status


def test_waves_that_are_edited_change_only_what_is_not_yet_given(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    through(made, "a1", "a2")
    assert made.step() == {"b1": "2"}
    new = {"selector": {"matchExpressions": [{"key": "wave", "operator": "DoesNotExist"}]}, "name": "first"}
    made.edit(waves=[new, *made.spec["waves"]])

    assert made.step() == {"c1": "2", "c2": "2"}
    assert {name for name, agent in made.agents.items() if agent.assigned.version == "2"} == {
        "a1",
        "a2",
        "b1",
        "c1",
        "c2",
    }


def test_a_wave_that_is_done_and_only_moved_stays_done(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    through(made, "a1", "a2")
    made.step()
    empty = {"selector": {"matchLabels": {"wave": "nobody"}}}
    made.edit(waves=[empty, *made.spec["waves"]])
    made.step()

    assert made.phases[:2] == ["Done", "Done"]


def test_paused_gives_nothing(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2", paused=True)

    assert made.step() == {}
    assert made.condition("Paused")["status"] == "True"
    assert made.condition("Ready")["reason"] == "Paused"
    made.edit(paused=False)
    assert made.step() == {"a1": "2", "a2": "2"}
    assert made.condition("Paused") == {}


def test_a_soak_goes_on_while_paused(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    made.step()
    made.end("a1", "a2")
    made.edit(paused=True)
    made.step()
    made.tick(60)
    assert made.step() == {}
    made.edit(paused=None)

    assert made.step() == {"b1": "2"}


def test_outside_of_the_window_nothing_is_given_but_the_soak_goes_on(world: Any, make: Any) -> None:
    made = three_waves(world, make, window={"cron": "0 12 * * *", "duration": "90s"})
    made.edit(version="2")
    assert made.step() == {"a1": "2", "a2": "2"}
    made.end("a1", "a2")
    made.step()
    made.tick(100)
    assert made.step() == {}
    assert made.phases == ["Done", "RollingOut", "Waiting"]
    assert made.condition("Ready")["reason"] == "WindowClosed"
    assert made.look().requeue_after == 24 * 3600 - 100
    made.tick(24 * 3600 - 100)

    assert made.step() == {"b1": "2"}


def test_a_window_that_cannot_be_is_told(world: Any, make: Any) -> None:
    made = three_waves(world, make, window={"cron": "0 99 * * *", "duration": "1h"})
    made.edit(version="2")

    assert made.step() == {}
    assert made.condition("Stalled")["reason"] == "InvalidWindow"
    assert "spec.window.cron" in made.condition("Ready")["message"]


@pytest.mark.parametrize(
    ("wave", "given"),
    [("a", "2"), ("b", "1")],
    ids=["its wave is released", "its wave waits"],
)
def test_a_new_agent_starts_with_what_its_wave_has(world: Any, make: Any, wave: str, given: str) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    made.step()
    made.agents["new"] = make(
        "new", wave=wave, assigned=None, running_version="", requested_revision="", updated=False, was_healthy=False
    )

    assert made.step() == {"new": given}


def test_a_new_agent_of_a_new_channel_starts_with_its_version(world: Any, make: Any) -> None:
    new = {"assigned": None, "running_version": "", "requested_revision": "", "updated": False, "was_healthy": False}
    made = world([], TWO)
    made.agents = {name: make(name, wave=wave, **new) for name, wave in (("x", "a"), ("y", "b"), ("z", ""))}

    assert made.step() == {"x": "1", "y": "1", "z": "1"}


def test_a_new_agent_is_never_given_what_is_halted(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    made.step()
    made.end("a1", "a2", fails=True)
    made.agents["new"] = make(
        "new", wave="a", assigned=None, running_version="", requested_revision="", updated=False, was_healthy=False
    )

    assert made.step() == {"new": "1"}


def test_an_agent_that_runs_and_joins_waits_for_its_wave(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    made.step()
    made.agents["b0"] = make("b0", wave="b", assigned=None, running_version="0", updated=False)

    assert made.step() == {}
    made.end("a1", "a2")
    made.step()
    made.tick(60)
    assert made.step() == {"b0": "2", "b1": "2"}


def test_agents_that_join_a_complete_channel_are_given_its_version_some_at_a_time(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    for name in ("n1", "n2", "n3"):
        made.agents[name] = make(name, wave="a", assigned=None, running_version="0", updated=False)
    made.edit(waves=[made.spec["waves"][0] | {"maxConcurrent": 1}, made.spec["waves"][1]])

    assert made.step() == {"n1": "1"}
    made.end("n1", fails=True)
    assert made.step() == {}, "the others wait for the one that failed"


def test_a_channel_that_nobody_followed_rolls_out_in_waves_to_those_that_join(world: Any, make: Any) -> None:
    made = world([], TWO)
    made.agents = {
        name: make(name, wave=name[0], assigned=None, running_version="0", updated=False) for name in ("a1", "b1")
    }

    assert made.step() == {"a1": "1"}


def test_skipped_agents_hold_nobody_up_and_are_given_it_when_they_can(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.agents["a1"] = make("a1", wave="a", skipped=True, updated=False)
    made.edit(version="2")
    assert made.step() == {"a2": "2"}
    made.end("a2")
    made.step()
    made.tick(60)
    assert made.step() == {"b1": "2"}
    assert made.status["skipped"] == 1
    made.agents["a1"] = make("a1", wave="a")

    assert made.step() == {"a1": "2"}


def test_a_new_agent_does_not_begin_a_soak_anew(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    made.step()
    made.end("a1", "a2")
    made.step()
    made.tick(59)
    made.agents["new"] = make(
        "new", wave="a", assigned=None, running_version="", requested_revision="", updated=False, was_healthy=False
    )
    assert made.step() == {"new": "2"}
    made.tick(1)

    assert made.step() == {"b1": "2"}


def test_an_empty_wave_is_no_obstacle(world: Any, make: Any) -> None:
    made = world([make("b1", wave="b")], TWO)
    made.edit(version="2")

    assert made.step() == {"b1": "2"}
    assert made.phases == ["Done", "RollingOut"]


def test_new_agents_of_a_new_channel_must_be_well_before_it_is_complete(world: Any, make: Any) -> None:
    """The waves were empty when the channel was made, and nobody was well then."""
    new = {"assigned": None, "running_version": "", "requested_revision": "", "updated": False, "was_healthy": False}
    made = world([], TWO)
    made.step()
    made.agents = {name: make(name, wave=wave, **new) for name, wave in (("x", "a"), ("y", "b"))}
    made.step()
    made.step()
    assert made.phases == ["RollingOut", "Waiting"]
    made.end("x", "y")
    made.step()

    assert made.phases == ["Soaking", "Waiting"]


def test_a_crash_between_status_and_gifts_loses_nothing(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    through(made, "a1", "a2")
    agents = dict(made.agents)
    assert made.step() == {"b1": "2"}
    made.agents = agents

    assert made.step() == {"b1": "2"}


def test_a_lost_status_costs_a_soak_and_nothing_else(world: Any, make: Any) -> None:
    made = three_waves(world, make)
    made.edit(version="2")
    through(made, "a1", "a2")
    made.step()
    made.end("b1")
    made.status = {}

    assert made.step() == {}
    assert made.phases == ["Soaking", "Waiting", "Waiting"]
    made.tick(60)
    assert made.step() == {}
    made.tick(60)
    assert made.step() == {"c1": "2", "c2": "2"}
