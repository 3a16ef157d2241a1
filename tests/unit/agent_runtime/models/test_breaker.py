"""The circuit breaker, by a clock of the test's."""

from agent_runtime.models.breaker import FAILURES, PAUSE, Breaker


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_opens_after_failures_in_a_row_and_lets_one_try_after_the_pause() -> None:
    """That one's success closes it; its failure begins another pause."""
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert breaker.wait == 0
    breaker.failed()
    assert breaker.wait == PAUSE

    clock.now += PAUSE
    assert breaker.wait == 0
    breaker.begin()
    assert breaker.wait == PAUSE, "another call must not try as well"
    breaker.failed()
    assert breaker.wait == PAUSE

    clock.now += PAUSE
    breaker.begin()
    breaker.succeeded()
    assert breaker.wait == 0


def test_failures_that_are_not_in_a_row_do_not_open_it() -> None:
    """A success in between begins the count anew."""
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed()
        breaker.succeeded()

    assert breaker.wait == 0
