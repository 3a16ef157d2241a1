"""The circuit breaker."""

from agent_runtime.models.breaker import FAILURES, PAUSE, Breaker
from tests.clock import ManualClock


def test_opens_after_consecutive_failures_and_admits_one_call_after_the_pause() -> None:
    """The success of that call closes the breaker; its failure starts another pause."""
    clock = ManualClock(now=100.0)
    breaker = Breaker(clock)
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert breaker.wait == 0
    breaker.failed()
    assert breaker.wait == PAUSE

    clock.now += PAUSE
    assert breaker.wait == 0
    breaker.begin()
    assert breaker.wait == PAUSE, "a second call must wait"
    breaker.failed()
    assert breaker.wait == PAUSE

    clock.now += PAUSE
    breaker.begin()
    breaker.succeeded()
    assert breaker.wait == 0


def test_a_success_resets_the_count_of_failures() -> None:
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed()
        breaker.succeeded()

    assert breaker.wait == 0
