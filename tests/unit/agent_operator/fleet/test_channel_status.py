"""What a channel says of itself."""

from typing import Any

from agent_operator.api.reasons import ChannelReason
from agent_operator.api.v1alpha1 import AgentRuntimeChannelStatus
from agent_operator.fleet import channel_status

WAVES = (("a", {"soakSeconds": 60}),)


def begun(world: Any, make: Any, **spec: Any) -> Any:
    made = world([*(make(f"a{n:02}", wave="a") for n in range(12)), make("b")], WAVES, **spec)
    made.edit(version="2", **spec)
    return made


def test_the_summary_tells_all_in_a_line(world: Any, make: Any) -> None:
    made = begun(world, make, maxFailures=99)
    made.step()
    made.end("a00", "a01", "a02")
    made.end("a03", fails=True)
    made.step()

    assert made.status["summary"] == "3/13 updated, wave 1/2, 1 failed: ns/a03"
    assert (made.status["progress"], made.status["wave"]) == ("3/13", "1/2")


def test_names_end_after_three_in_a_line_and_after_ten_in_the_list(world: Any, make: Any) -> None:
    made = begun(world, make, maxFailures=99)
    made.step()
    made.end(*(f"a{n:02}" for n in range(10)), fails=True)
    made.step()
    made.end("a10", "a11", fails=True)
    made.step()

    assert made.status["summary"].endswith("12 failed: ns/a00, ns/a01, ns/a02 and 9 more")
    assert len(made.status["failedAgents"]) == 10


def test_conditions_agree_with_kstatus(world: Any, make: Any) -> None:
    made = begun(world, make)
    assert {it["type"] for it in made.status["conditions"]} == {"Ready", "Progressing"}
    made.step()
    assert {it["type"]: it["status"] for it in made.status["conditions"]} == {
        "Ready": "False",
        "Progressing": "True",
        "Reconciling": "True",
    }
    made.end("a00", fails=True)
    made.step()
    assert {it["type"]: it["status"] for it in made.status["conditions"]} == {
        "Ready": "False",
        "Progressing": "False",
        "Halted": "True",
        "Stalled": "True",
    }


def test_the_time_of_a_condition_is_that_of_its_turn(world: Any, make: Any) -> None:
    made = begun(world, make)
    made.step()
    since = made.condition("Ready")["lastTransitionTime"]
    made.tick(30)
    made.end("a00")
    made.step()

    assert made.condition("Ready")["lastTransitionTime"] == since
    assert made.condition("Ready")["observedGeneration"] == made.generation


def test_failures_that_were_tolerated_are_told_at_the_end(world: Any, make: Any) -> None:
    made = world([make("a"), make("b")], maxFailures=1)
    made.edit(version="2")
    made.step()
    made.end("a", fails=True)
    made.end("b")
    made.step()

    assert made.status["stableVersion"] == "2"
    assert made.condition("Ready")["reason"] == "AgentsFailed"
    assert "ns/a" in made.condition("Stalled")["message"]


def told(made: Any) -> list[ChannelReason]:
    """Reasons of the Events of the next step."""
    found = [it.reason for it in channel_status.events(made.look())]
    made.step()
    return found


def test_events_tell_each_turn_once(world: Any, make: Any) -> None:
    made = world([make("a", wave="a"), make("b")], WAVES)
    assert told(made) == []
    made.edit(version="2")
    assert told(made) == ["RollingOut", "WaveStarted"]
    made.end("a")
    assert told(made) == []
    made.tick(60)
    assert told(made) == ["WaveHealthy", "WaveStarted"]
    made.end("b", fails=True)
    assert told(made) == ["Halted"]
    assert told(made) == []
    made.edit(version="1")
    assert told(made) == ["RollingOut"]


def test_a_spec_that_cannot_be_read_is_told() -> None:
    found = channel_status.refused(
        "stable", 4, "spec.waves: wrong", AgentRuntimeChannelStatus(), "2026-01-05T12:00:00Z"
    )

    assert found["observedGeneration"] == 4
    assert {it["type"]: it["status"] for it in found["conditions"]} == {
        "Ready": "False",
        "Progressing": "False",
        "Stalled": "True",
    }
    assert "spec.waves: wrong" in found["conditions"][0]["message"]


def test_every_agent_is_counted_in_one_state(world: Any, make: Any) -> None:
    made = world([make(name) for name in "abcde"], [], maxFailures=9)
    made.agents["e"] = make("e", skipped=True)
    made.edit(version="2", waves=[{"selector": {}, "maxConcurrent": 3}])
    made.step()
    made.end("a")
    made.end("b", fails=True)
    step = made.look()

    assert channel_status.counts(step.channel, step.agents) == {
        "updated": 1,
        "failed": 1,
        "rolling": 1,
        "waiting": 1,
        "skipped": 1,
    }
