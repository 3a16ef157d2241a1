"""Heartbeats report silent streams and lasting failures."""

from agent_operator.kube.heartbeat import Heartbeat
from tests.clock import ManualClock


def test_last_seen_is_that_of_the_most_silent_stream() -> None:
    clock = ManualClock()
    heartbeat = Heartbeat("the watch of Pod", clock)
    heartbeat.expect("the watch of Pod", "a", "b")
    clock.now = 100.0
    heartbeat.beat("a")
    assert heartbeat.last_seen == 0.0
    heartbeat.beat("b")
    assert heartbeat.last_seen == 100.0


def test_restarted_activity_inherits_the_last_beat() -> None:
    """A loop that restarts repeatedly without a response stays silent."""
    clock = ManualClock()
    heartbeat = Heartbeat("the watch of Pod", clock)
    for clock.now in (100.0, 200.0, 300.0):
        heartbeat.expect("the watch of Pod", "a")
        heartbeat.expect("the wait for Pod")
    assert (heartbeat.last_seen, heartbeat.activity) == (0.0, "the wait for Pod")


def test_beat_of_an_unknown_stream_is_ignored() -> None:
    clock = ManualClock()
    heartbeat = Heartbeat("the watch of Pod", clock)
    clock.now = 10.0
    heartbeat.beat("a")
    assert heartbeat.last_seen == 0.0


def test_only_a_lasting_failure_is_reported() -> None:
    clock = ManualClock()
    heartbeat = Heartbeat("the watch of Pod", clock)
    heartbeat.fail("403 Forbidden")
    clock.now = 29.0
    heartbeat.fail("500 InternalError")
    assert heartbeat.lasting_failure() == ""
    clock.now = 31.0
    assert heartbeat.lasting_failure() == "the watch of Pod has failed for 31 s: 500 InternalError"
    heartbeat.succeed()
    heartbeat.fail("500 InternalError")
    assert heartbeat.lasting_failure() == ""
