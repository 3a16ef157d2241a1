"""What a loop hears of the API server."""

from agent_operator.kube.heartbeat import Heartbeat


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_stream_that_was_silent_the_longest_counts() -> None:
    clock = Clock()
    heartbeat = Heartbeat("the watch of Pod", clock)
    heartbeat.expect("the watch of Pod", "a", "b")
    clock.now = 100.0
    heartbeat.beat("a")
    assert heartbeat.last_seen == 0.0
    heartbeat.beat("b")
    assert heartbeat.last_seen == 100.0


def test_what_comes_next_does_not_hide_that_it_was_silent() -> None:
    """A loop that begins again and again, and hears nothing, is silent all the time."""
    clock = Clock()
    heartbeat = Heartbeat("the watch of Pod", clock)
    for clock.now in (100.0, 200.0, 300.0):
        heartbeat.expect("the watch of Pod", "a")
        heartbeat.expect("the wait for Pod")
    assert (heartbeat.last_seen, heartbeat.activity) == (0.0, "the wait for Pod")


def test_what_is_no_longer_read_is_not_heard_of() -> None:
    clock = Clock()
    heartbeat = Heartbeat("the watch of Pod", clock)
    clock.now = 10.0
    heartbeat.beat("a")
    assert heartbeat.last_seen == 0.0


def test_only_a_trouble_that_lasts_is_reported() -> None:
    clock = Clock()
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
