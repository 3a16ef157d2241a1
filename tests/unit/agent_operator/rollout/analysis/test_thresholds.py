"""Whether a canary does as well as the stable pods."""

import math
from typing import Any

import pytest

from agent_operator.api.v1alpha1.rollout import CanaryGates
from agent_operator.rollout.analysis.parser import NO_REQUESTS, Buckets, Sample, parse_metrics
from agent_operator.rollout.analysis.thresholds import AnalysisPhase, CounterWindow, analyse, increase, quantile
from agent_runtime.metrics import Metrics

BOUNDS = (0.1, 0.5, 1.0, 2.5, 5.0)


def took(seconds: float, requests: int) -> Buckets:
    """Return the histogram of requests that all took so long."""
    return (*((bound, requests if seconds <= bound else 0) for bound in BOUNDS), (math.inf, requests))


def side(requests: int, errors: int = 0, *, seconds: float = 0.4, tokens: int = 100) -> Sample:
    """Return what pods did: requests that all took as long and as many tokens each."""
    return Sample(requests, errors, tokens * requests, took(seconds, requests))


PASSED, FAILED, UNDECIDED = AnalysisPhase.SUCCESSFUL, AnalysisPhase.FAILED, AnalysisPhase.INCONCLUSIVE
JUDGED: list[tuple[str, Sample, Sample, dict[str, int], AnalysisPhase, str]] = [
    ("as good as the other", side(50), side(200), {}, PASSED, "50 requests, 0.0 % errors"),
    (
        "no request at all",
        NO_REQUESTS,
        NO_REQUESTS,
        {},
        UNDECIDED,
        "the canary has answered 0 of the 20 requests needed",
    ),
    ("one too few", side(19, 19), side(200), {}, UNDECIDED, "19 of the 20 requests needed"),
    ("just enough", side(20, 20), side(200), {}, FAILED, "error rate 100.0 % of 20 requests"),
    (
        "errors, with the figures and the limit",
        side(50, 6),
        side(250, 1),
        {},
        FAILED,
        "error rate 12.0 % of 50 requests, stable 0.4 % of 250: above by more than maxErrorRatePercent 5",
    ),
    ("errors at the limit", side(100, 7), side(100, 2), {}, PASSED, "7.0 % errors"),
    ("errors above it", side(100, 8), side(100, 2), {}, FAILED, "8.0 %"),
    ("no error allowed, none made", side(100), side(100), {"maxErrorRatePercent": 0}, PASSED, "0.0 %"),
    ("no error allowed, one made", side(100, 1), side(100), {"maxErrorRatePercent": 0}, FAILED, "1.0 %"),
    ("fewer errors than the stable pods", side(100, 30), side(100, 60), {"maxErrorRatePercent": 0}, PASSED, "30.0 %"),
    ("every error allowed", side(100, 100), side(100), {"maxErrorRatePercent": 100}, PASSED, "100.0 %"),
    (
        "slow",
        side(50, seconds=4),
        side(50, seconds=0.4),
        {},
        FAILED,
        "95th percentile of the request duration 4.9 s, stable 480 ms: above maxLatencyPercent 200",
    ),
    ("slow, as is allowed", side(50, seconds=4), side(50), {"maxLatencyPercent": 2000}, PASSED, "95 % within 4.9 s"),
    ("as slow as the others", side(50, seconds=4), side(50, seconds=4), {"maxLatencyPercent": 100}, PASSED, "4.9 s"),
    (
        "slower, but nobody notices",
        Sample(50, 0, 0, ((0.005, 0), (0.1, 50), (math.inf, 50))),
        Sample(50, 0, 0, ((0.005, 50), (0.1, 50), (math.inf, 50))),
        {},
        PASSED,
        "95 % within 95 ms",
    ),
    ("slower than all bounds", side(50, seconds=900), side(50), {}, FAILED, "duration 5.0 s, stable 480 ms"),
    (
        "wordy",
        side(50, tokens=900),
        side(50, tokens=300),
        {},
        FAILED,
        "900 tokens a request, stable 300: above maxTokensPercent 200",
    ),
    ("wordy at the limit", side(50, tokens=600), side(70, tokens=300), {}, PASSED, "600 tokens each"),
    ("tokens where the others used none", side(50, tokens=600), side(50, tokens=0), {}, PASSED, "600 tokens each"),
    ("all at once", side(50, 50, seconds=4, tokens=900), side(50), {}, FAILED, "; "),
    (
        "nothing to compare with",
        side(50, 2, seconds=90, tokens=9000),
        side(19),
        {},
        PASSED,
        "the stable pods have answered 19 of the 20 needed to compare with",
    ),
    (
        "nothing to compare with, but errors",
        side(50, 3),
        side(19, 19),
        {},
        FAILED,
        "error rate 6.0 % of 50 requests: above maxErrorRatePercent 5; the stable pods had too few requests",
    ),
    ("fewer requests are enough where that is said", side(3, 3), side(3), {"minRequests": 3}, FAILED, "100.0 % of 3"),
    ("more are needed where that is said", side(99, 99), side(99), {"minRequests": 100}, UNDECIDED, "99 of the 100"),
]


@pytest.mark.parametrize(
    ("_case", "canary", "stable", "gates", "outcome", "told"), JUDGED, ids=[case for case, *_ in JUDGED]
)
def test_canary_is_judged(
    _case: str, canary: Sample, stable: Sample, gates: dict[str, int], outcome: AnalysisPhase, told: str
) -> None:
    verdict = analyse(canary, stable, CanaryGates.model_validate(gates) if gates else None)
    assert verdict.phase is outcome
    assert told in verdict.message


QUANTILES: list[tuple[str, Any, float | None]] = [
    ("in the middle of a bucket", ((1.0, 0), (2.0, 100), (math.inf, 100)), 1.95),
    ("in the first bucket, from zero", ((1.0, 100), (math.inf, 100)), 0.95),
    ("at a bound", ((1.0, 95), (2.0, 100), (math.inf, 100)), 1.0),
    ("over two buckets", ((1.0, 50), (2.0, 90), (4.0, 100), (math.inf, 100)), 3.0),
    ("above the last bound: that bound", ((1.0, 50), (2.0, 90), (math.inf, 100)), 2.0),
    ("past empty buckets", ((1.0, 10), (2.0, 10), (3.0, 100), (math.inf, 100)), 2 + 85 / 90),
    ("of nothing", ((1.0, 0), (math.inf, 0)), None),
    ("of no histogram", (), None),
    ("of one without an end", ((1.0, 5), (2.0, 7)), None),
]


@pytest.mark.parametrize(("_case", "buckets", "expected"), QUANTILES, ids=[case for case, *_ in QUANTILES])
def test_quantile_is_estimated_as_prometheus_does(_case: str, buckets: Buckets, expected: float | None) -> None:
    assert quantile(0.95, buckets) == (None if expected is None else pytest.approx(expected))


INCREASES: list[tuple[str, Sample, Sample, Sample]] = [
    ("grown", side(10, 1), side(15, 3), Sample(5, 2, 500, took(0.4, 5))),
    ("unchanged", side(10, 1), side(10, 1), Sample(0, 0, 0, took(0.4, 0))),
    ("from nothing", NO_REQUESTS, side(10, 1), side(10, 1)),
    ("started anew", side(10, 1), side(3), side(3)),
    ("started anew, and nothing answered since", side(10, 1), NO_REQUESTS, NO_REQUESTS),
    ("started anew, with as many requests but fewer errors", side(10, 5), side(10, 1), side(10, 1)),
    (
        "started anew, with more requests, but quicker ones",
        side(10, seconds=0.4),
        side(11, seconds=2),
        side(11, seconds=2),
    ),
    (
        "started anew by a version with other bounds",
        Sample(10, buckets=((1.0, 10), (math.inf, 10))),
        Sample(12, buckets=((2.0, 12), (math.inf, 12))),
        Sample(12, buckets=((2.0, 12), (math.inf, 12))),
    ),
]


@pytest.mark.parametrize(("_case", "before", "now", "expected"), INCREASES, ids=[case for case, *_ in INCREASES])
def test_increase_of_a_pod(_case: str, before: Sample, now: Sample, expected: Sample) -> None:
    assert increase(before, now) == expected


def test_window_counts_from_its_first_sample_of_each_pod() -> None:
    """What a pod did before it was looked at is not the step's; pods that go have done what they did."""
    window = CounterWindow().with_samples({"a": side(100, 50)})
    assert window.total == NO_REQUESTS
    window = window.with_samples({"a": side(110, 50), "b": side(1000)})
    assert (window.total.requests, window.total.errors) == (10, 0)
    window = window.with_samples({"b": side(1005, 1)})
    assert (window.total.requests, window.total.errors) == (15, 1)


def test_window_survives_a_restart_of_a_container() -> None:
    """The requests before and after are both counted."""
    window = (
        CounterWindow().with_samples({"a": side(100)}).with_samples({"a": side(130)}).with_samples({"a": side(5, 5)})
    )
    assert (window.total.requests, window.total.errors) == (35, 5)


def test_window_does_not_count_a_pod_twice_that_was_unreachable_for_a_while() -> None:
    window = CounterWindow().with_samples({"a": side(100)}).with_samples({}).with_samples({"a": side(130)})
    assert window.total.requests == 30


@pytest.mark.parametrize("seconds", [0.11, 0.3, 0.99, 2.4, 4.9, 9.9, 29, 119])
def test_almost_the_same_duration_passes_with_the_runtimes_buckets(seconds: float) -> None:
    """Two durations that a bound happens to lie between must not look as if one were twice the other."""

    def answered(each: float) -> Sample:
        metrics = Metrics("1.0", "abc")
        for _ in range(50):
            metrics.requests.labels("/v1/x", 200).inc()
            metrics.duration.labels("/v1/x").observe(each)
        found = parse_metrics(metrics.exposition("text/plain")[0].decode())
        assert isinstance(found, Sample)
        return found

    assert analyse(answered(seconds * 1.05), answered(seconds), None).phase is PASSED
    assert analyse(answered(seconds * 4), answered(seconds), None).phase is FAILED
