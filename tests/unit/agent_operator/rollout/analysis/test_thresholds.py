"""The comparison of a canary with the stable pods and with the limits of its gates."""

import math
from typing import Any

import pytest

from agent_operator.api.v1alpha1.rollout import CanaryGates
from agent_operator.rollout.analysis.parser import NO_REQUESTS, Buckets, Sample, parse_metrics
from agent_operator.rollout.analysis.thresholds import AnalysisPhase, analyse, quantile
from agent_runtime.metrics import Metrics
from tests.unit.agent_operator.rollout.analysis.samples import sample

SUCCESSFUL, FAILED, INCONCLUSIVE = AnalysisPhase.SUCCESSFUL, AnalysisPhase.FAILED, AnalysisPhase.INCONCLUSIVE
ANALYSES: list[tuple[str, Sample, Sample, dict[str, int], AnalysisPhase, str]] = [
    ("equal", sample(50), sample(200), {}, SUCCESSFUL, "50 requests, 0.0 % errors"),
    (
        "no requests",
        NO_REQUESTS,
        NO_REQUESTS,
        {},
        INCONCLUSIVE,
        "the canary has answered 0 of the 20 requests that an analysis needs",
    ),
    (
        "one request too few",
        sample(19, 19),
        sample(200),
        {},
        INCONCLUSIVE,
        "19 of the 20 requests that an analysis needs",
    ),
    ("just enough requests", sample(20, 20), sample(200), {}, FAILED, "error rate 100.0 % of 20 requests"),
    (
        "error rate with figures and limit",
        sample(50, 6),
        sample(250, 1),
        {},
        FAILED,
        "error rate 12.0 % of 50 requests, stable 0.4 % of 250: exceeds it by more than maxErrorRatePercent 5",
    ),
    ("error rate at the limit", sample(100, 7), sample(100, 2), {}, SUCCESSFUL, "7.0 % errors"),
    ("error rate above the limit", sample(100, 8), sample(100, 2), {}, FAILED, "8.0 %"),
    ("no errors allowed and none", sample(100), sample(100), {"maxErrorRatePercent": 0}, SUCCESSFUL, "0.0 %"),
    ("no errors allowed but one", sample(100, 1), sample(100), {"maxErrorRatePercent": 0}, FAILED, "1.0 %"),
    (
        "fewer errors than the stable pods",
        sample(100, 30),
        sample(100, 60),
        {"maxErrorRatePercent": 0},
        SUCCESSFUL,
        "30.0 %",
    ),
    ("all errors allowed", sample(100, 100), sample(100), {"maxErrorRatePercent": 100}, SUCCESSFUL, "100.0 %"),
    (
        "slow",
        sample(50, seconds=4),
        sample(50, seconds=0.4),
        {},
        FAILED,
        "95th percentile of the request duration 4.9 s, stable 480 ms: exceeds maxLatencyPercent 200",
    ),
    (
        "slow within the limit",
        sample(50, seconds=4),
        sample(50),
        {"maxLatencyPercent": 2000},
        SUCCESSFUL,
        "95 % within 4.9 s",
    ),
    (
        "as slow as the stable pods",
        sample(50, seconds=4),
        sample(50, seconds=4),
        {"maxLatencyPercent": 100},
        SUCCESSFUL,
        "4.9 s",
    ),
    (
        "slower by less than 0.1 s",
        Sample(50, 0, 0, ((0.005, 0), (0.1, 50), (math.inf, 50))),
        Sample(50, 0, 0, ((0.005, 50), (0.1, 50), (math.inf, 50))),
        {},
        SUCCESSFUL,
        "95 % within 95 ms",
    ),
    ("slower than the highest bound", sample(50, seconds=900), sample(50), {}, FAILED, "duration 5.0 s, stable 480 ms"),
    (
        "more tokens than allowed",
        sample(50, tokens=900),
        sample(50, tokens=300),
        {},
        FAILED,
        "900 tokens per request, stable 300: exceeds maxTokensPercent 200",
    ),
    ("tokens at the limit", sample(50, tokens=600), sample(70, tokens=300), {}, SUCCESSFUL, "600 tokens per request"),
    (
        "stable pods without tokens",
        sample(50, tokens=600),
        sample(50, tokens=0),
        {},
        SUCCESSFUL,
        "600 tokens per request",
    ),
    ("several failures", sample(50, 50, seconds=4, tokens=900), sample(50), {}, FAILED, "; "),
    (
        "too few stable requests",
        sample(50, 2, seconds=90, tokens=9000),
        sample(19),
        {},
        SUCCESSFUL,
        "the stable pods have answered 19 of the 20 to compare with",
    ),
    (
        "too few stable requests, and errors",
        sample(50, 3),
        sample(19, 19),
        {},
        FAILED,
        "error rate 6.0 % of 50 requests: exceeds maxErrorRatePercent 5; the stable pods have too few requests",
    ),
    (
        "lower minRequests",
        sample(3, 3),
        sample(3),
        {"minRequests": 3},
        FAILED,
        "100.0 % of 3",
    ),
    (
        "higher minRequests",
        sample(99, 99),
        sample(99),
        {"minRequests": 100},
        INCONCLUSIVE,
        "99 of the 100",
    ),
]


@pytest.mark.parametrize(
    ("_case", "canary", "stable", "gates", "phase", "message"), ANALYSES, ids=[case for case, *_ in ANALYSES]
)
def test_analysis(
    _case: str, canary: Sample, stable: Sample, gates: dict[str, int], phase: AnalysisPhase, message: str
) -> None:
    result = analyse(canary, stable, CanaryGates.model_validate(gates) if gates else None)
    assert result.phase is phase
    assert message in result.message


QUANTILES: list[tuple[str, Any, float | None]] = [
    ("in the middle of a bucket", ((1.0, 0), (2.0, 100), (math.inf, 100)), 1.95),
    ("in the first bucket: starts at zero", ((1.0, 100), (math.inf, 100)), 0.95),
    ("at a bound", ((1.0, 95), (2.0, 100), (math.inf, 100)), 1.0),
    ("in the third bucket", ((1.0, 50), (2.0, 90), (4.0, 100), (math.inf, 100)), 3.0),
    ("above the highest bound: that bound", ((1.0, 50), (2.0, 90), (math.inf, 100)), 2.0),
    ("after an empty bucket", ((1.0, 10), (2.0, 10), (3.0, 100), (math.inf, 100)), 2 + 85 / 90),
    ("without requests", ((1.0, 0), (math.inf, 0)), None),
    ("without buckets", (), None),
    ("without the +Inf bucket", ((1.0, 5), (2.0, 7)), None),
]


@pytest.mark.parametrize(("_case", "buckets", "expected"), QUANTILES, ids=[case for case, *_ in QUANTILES])
def test_quantile_is_estimated_as_prometheus_does(_case: str, buckets: Buckets, expected: float | None) -> None:
    assert quantile(0.95, buckets) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("seconds", [0.11, 0.3, 0.99, 2.4, 4.9, 9.9, 29, 119])
def test_similar_durations_pass_with_the_buckets_of_the_runtime(seconds: float) -> None:
    """Two similar durations on both sides of a bound must not look as if one were twice the other."""

    def metrics_of(each: float) -> Sample:
        metrics = Metrics("1.0", "abc")
        for _ in range(50):
            metrics.requests.labels("/v1/x", 200).inc()
            metrics.duration.labels("/v1/x").observe(each)
        parsed = parse_metrics(metrics.exposition("text/plain")[0].decode())
        assert isinstance(parsed, Sample)
        return parsed

    assert analyse(metrics_of(seconds * 1.05), metrics_of(seconds), None).phase is SUCCESSFUL
    assert analyse(metrics_of(seconds * 4), metrics_of(seconds), None).phase is FAILED
