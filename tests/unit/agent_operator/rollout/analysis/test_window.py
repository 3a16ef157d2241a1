"""How long a step has been watched, and what was answered since."""

import pytest

from agent_operator.rollout.analysis.parser import NOTHING, Sample
from agent_operator.rollout.analysis.window import Step, Watched, Windows


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
def windows(clock: Clock) -> Windows:
    return Windows(clock)


FIRST, SECOND = Step("abc", 0), Step("abc", 1)


def test_the_first_look_begins_the_window(windows: Windows) -> None:
    assert windows.observe("uid", FIRST, {"c": Sample(7)}, {"s": Sample(70)}) == Watched(0.0, NOTHING, NOTHING)


def test_later_looks_tell_what_was_done_since_and_for_how_long(windows: Windows, clock: Clock) -> None:
    windows.observe("uid", FIRST, {"c": Sample(7)}, {"s": Sample(70)})
    clock.now += 12.5
    found = windows.observe("uid", FIRST, {"c": Sample(9, 1)}, {"s": Sample(100, 2)})
    assert found == Watched(12.5, Sample(2, 1), Sample(30, 2))


@pytest.mark.parametrize("other", [SECOND, Step("def", 0)])
def test_another_step_or_revision_begins_a_new_window(windows: Windows, clock: Clock, other: Step) -> None:
    windows.observe("uid", FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    assert windows.observe("uid", other, {"c": Sample(9)}, {}) == Watched(0.0, NOTHING, NOTHING)


def test_agents_have_windows_of_their_own(windows: Windows, clock: Clock) -> None:
    windows.observe("one", FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    windows.observe("two", FIRST, {"c": Sample(100)}, {})
    assert windows.observe("one", FIRST, {"c": Sample(8)}, {}) == Watched(10.0, Sample(1), NOTHING)


def test_a_forgotten_agent_begins_anew(windows: Windows, clock: Clock) -> None:
    for uid in ("one", "two"):
        windows.observe(uid, FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    windows.forget("one")
    windows.forget("never known")
    assert windows.observe("one", FIRST, {"c": Sample(9)}, {}).seconds == 0
    assert windows.observe("two", FIRST, {"c": Sample(9)}, {}).seconds == 10


def test_agents_that_are_gone_are_forgotten(windows: Windows, clock: Clock) -> None:
    for uid in ("one", "two"):
        windows.observe(uid, FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    windows.keep({"two", "three"})
    assert windows.observe("one", FIRST, {}, {}).seconds == 0
    assert windows.observe("two", FIRST, {}, {}).seconds == 10
