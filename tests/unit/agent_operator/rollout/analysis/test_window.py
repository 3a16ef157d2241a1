"""How long a step has been watched, and what was answered since."""

import pytest

from agent_operator.rollout.analysis.parser import NO_REQUESTS, Sample
from agent_operator.rollout.analysis.window import AnalysisWindows, MeasuredStep, StepMetrics


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def windows(clock: Clock) -> AnalysisWindows:
    return AnalysisWindows(clock)


FIRST, SECOND = MeasuredStep("abc", 0), MeasuredStep("abc", 1)


def test_the_first_look_begins_the_window(windows: AnalysisWindows) -> None:
    assert windows.observe("uid", FIRST, {"c": Sample(7)}, {"s": Sample(70)}) == StepMetrics(
        0.0, NO_REQUESTS, NO_REQUESTS
    )


def test_later_looks_tell_what_was_done_since_and_for_how_long(windows: AnalysisWindows, clock: Clock) -> None:
    windows.observe("uid", FIRST, {"c": Sample(7)}, {"s": Sample(70)})
    clock.now += 12.5
    found = windows.observe("uid", FIRST, {"c": Sample(9, 1)}, {"s": Sample(100, 2)})
    assert found == StepMetrics(12.5, Sample(2, 1), Sample(30, 2))


@pytest.mark.parametrize("other", [SECOND, MeasuredStep("def", 0)])
def test_another_step_or_revision_begins_a_new_window(
    windows: AnalysisWindows, clock: Clock, other: MeasuredStep
) -> None:
    windows.observe("uid", FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    assert windows.observe("uid", other, {"c": Sample(9)}, {}) == StepMetrics(0.0, NO_REQUESTS, NO_REQUESTS)


def test_agents_have_windows_of_their_own(windows: AnalysisWindows, clock: Clock) -> None:
    windows.observe("one", FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    windows.observe("two", FIRST, {"c": Sample(100)}, {})
    assert windows.observe("one", FIRST, {"c": Sample(8)}, {}) == StepMetrics(10.0, Sample(1), NO_REQUESTS)


def test_a_forgotten_agent_begins_anew(windows: AnalysisWindows, clock: Clock) -> None:
    for uid in ("one", "two"):
        windows.observe(uid, FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    windows.forget("one")
    windows.forget("never known")
    assert windows.observe("one", FIRST, {"c": Sample(9)}, {}).seconds == 0
    assert windows.observe("two", FIRST, {"c": Sample(9)}, {}).seconds == 10


def test_agents_that_are_gone_are_forgotten(windows: AnalysisWindows, clock: Clock) -> None:
    for uid in ("one", "two"):
        windows.observe(uid, FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    windows.keep({"two", "three"})
    assert windows.observe("one", FIRST, {}, {}).seconds == 0
    assert windows.observe("two", FIRST, {}, {}).seconds == 10
