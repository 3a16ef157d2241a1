"""What is accumulated of the metrics of a canary step."""

import math

import pytest

from agent_operator.rollout.analysis.parser import NO_REQUESTS, Sample
from agent_operator.rollout.analysis.window import AnalysisWindows, CounterWindow, MeasuredStep, StepMetrics, increase
from tests.clock import ManualClock
from tests.unit.agent_operator.rollout.analysis.samples import sample, took


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now=1000.0)


@pytest.fixture
def windows(clock: ManualClock) -> AnalysisWindows:
    return AnalysisWindows(clock)


FIRST, SECOND = MeasuredStep("abc", 0), MeasuredStep("abc", 1)


def test_first_samples_begin_the_window(windows: AnalysisWindows) -> None:
    metrics = windows.observe("uid", FIRST, {"c": Sample(7)}, {"s": Sample(70)})
    assert metrics == StepMetrics(0.0, NO_REQUESTS, NO_REQUESTS)


def test_later_samples_show_the_increase_and_the_elapsed_time(windows: AnalysisWindows, clock: ManualClock) -> None:
    windows.observe("uid", FIRST, {"c": Sample(7)}, {"s": Sample(70)})
    clock.now += 12.5
    metrics = windows.observe("uid", FIRST, {"c": Sample(9, 1)}, {"s": Sample(100, 2)})
    assert metrics == StepMetrics(12.5, Sample(2, 1), Sample(30, 2))


@pytest.mark.parametrize("other", [SECOND, MeasuredStep("def", 0)])
def test_another_step_or_revision_begins_a_new_window(
    windows: AnalysisWindows, clock: ManualClock, other: MeasuredStep
) -> None:
    windows.observe("uid", FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    assert windows.observe("uid", other, {"c": Sample(9)}, {}) == StepMetrics(0.0, NO_REQUESTS, NO_REQUESTS)


def test_each_agent_has_its_own_window(windows: AnalysisWindows, clock: ManualClock) -> None:
    windows.observe("one", FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    windows.observe("two", FIRST, {"c": Sample(100)}, {})
    assert windows.observe("one", FIRST, {"c": Sample(8)}, {}) == StepMetrics(10.0, Sample(1), NO_REQUESTS)


def test_a_forgotten_agent_begins_a_new_window(windows: AnalysisWindows, clock: ManualClock) -> None:
    for uid in ("one", "two"):
        windows.observe(uid, FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    windows.forget("one")
    windows.forget("never known")
    assert windows.observe("one", FIRST, {"c": Sample(9)}, {}).seconds == 0
    assert windows.observe("two", FIRST, {"c": Sample(9)}, {}).seconds == 10


def test_windows_of_deleted_agents_are_dropped(windows: AnalysisWindows, clock: ManualClock) -> None:
    for uid in ("one", "two"):
        windows.observe(uid, FIRST, {"c": Sample(7)}, {})
    clock.now += 10
    windows.keep({"two", "three"})
    assert windows.observe("one", FIRST, {}, {}).seconds == 0
    assert windows.observe("two", FIRST, {}, {}).seconds == 10


INCREASES: list[tuple[str, Sample, Sample, Sample]] = [
    ("more requests", sample(10, 1), sample(15, 3), Sample(5, 2, 500, took(0.4, 5))),
    ("no more requests", sample(10, 1), sample(10, 1), Sample(0, 0, 0, took(0.4, 0))),
    ("first requests", NO_REQUESTS, sample(10, 1), sample(10, 1)),
    ("restarted", sample(10, 1), sample(3), sample(3)),
    ("restarted without requests since", sample(10, 1), NO_REQUESTS, NO_REQUESTS),
    ("restarted with as many requests but fewer errors", sample(10, 5), sample(10, 1), sample(10, 1)),
    (
        "restarted with more but slower requests",
        sample(10, seconds=0.4),
        sample(11, seconds=2),
        sample(11, seconds=2),
    ),
    (
        "restarted with other bounds",
        Sample(10, buckets=((1.0, 10), (math.inf, 10))),
        Sample(12, buckets=((2.0, 12), (math.inf, 12))),
        Sample(12, buckets=((2.0, 12), (math.inf, 12))),
    ),
]


@pytest.mark.parametrize(("_case", "before", "after", "expected"), INCREASES, ids=[case for case, *_ in INCREASES])
def test_increase_of_a_pod(_case: str, before: Sample, after: Sample, expected: Sample) -> None:
    assert increase(before, after) == expected


def test_window_counts_from_the_first_sample_of_each_pod() -> None:
    """Requests before the first sample do not count. Requests of pods that were deleted later count."""
    window = CounterWindow().with_samples({"a": sample(100, 50)})
    assert window.total == NO_REQUESTS
    window = window.with_samples({"a": sample(110, 50), "b": sample(1000)})
    assert (window.total.requests, window.total.errors) == (10, 0)
    window = window.with_samples({"b": sample(1005, 1)})
    assert (window.total.requests, window.total.errors) == (15, 1)


def test_window_counts_the_requests_before_and_after_a_container_restart() -> None:
    window = CounterWindow().with_samples({"a": sample(100)})
    window = window.with_samples({"a": sample(130)}).with_samples({"a": sample(5, 5)})
    assert (window.total.requests, window.total.errors) == (35, 5)


def test_window_counts_a_pod_once_that_was_unreachable_for_a_while() -> None:
    window = CounterWindow().with_samples({"a": sample(100)}).with_samples({}).with_samples({"a": sample(130)})
    assert window.total.requests == 30


def test_a_window_keeps_a_limited_number_of_pods() -> None:
    window = CounterWindow()
    for number in range(3_000):
        window = window.with_samples({str(number): Sample(requests=1)})
    assert len(window.latest) == 1_000
    assert "2999" in window.latest
