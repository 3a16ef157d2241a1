"""Compares the metrics of canary pods with those of stable pods in the same time, and with the limits of the gates."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from agent_operator.api.v1alpha1.rollout import CanaryGates
from agent_operator.rollout.analysis.parser import NO_REQUESTS, Buckets, Sample

MAX_ERROR_RATE_PERCENT = 5
MAX_LATENCY_PERCENT = 200
MAX_TOKENS_PERCENT = 200
MIN_REQUESTS = 20
# The latency gate ignores durations up to this value, because the load of a node can explain them.
TOLERATED_SECONDS = 0.1
_QUANTILE = 0.95
_PERCENT = 100
_SHOWN_AS_SECONDS = 0.95


class AnalysisPhase(StrEnum):
    """Outcome of an analysis, in the terms of an AnalysisRun of Argo Rollouts."""

    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    """The canary has answered too few requests."""


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """Outcome of an analysis, and its figures in one sentence."""

    phase: AnalysisPhase
    message: str

    @property
    def failed(self) -> bool:
        """Whether the canary exceeds a limit."""
        return self.phase is AnalysisPhase.FAILED


def analyse(canary: Sample, stable: Sample, gates: CanaryGates | None) -> AnalysisResult:
    """Compare the responses of canary and stable pods within a step.

    If the stable pods answered too few requests, only the error rate of the canary is checked.
    """
    limits = gates or CanaryGates()
    needed = _or(limits.min_requests, MIN_REQUESTS)
    if canary.requests < needed:
        message = f"the canary has answered {canary.requests} of the {needed} requests that an analysis needs"
        return AnalysisResult(AnalysisPhase.INCONCLUSIVE, message)
    comparable = stable if stable.requests >= needed else NO_REQUESTS
    failures = [*_error_rate(canary, comparable, limits), *_latency(canary, comparable, limits)]
    failures += _token_use(canary, comparable, limits)
    if failures:
        return AnalysisResult(AnalysisPhase.FAILED, "; ".join(failures))
    return AnalysisResult(AnalysisPhase.SUCCESSFUL, _figures(canary, stable, needed=needed))


def quantile(share: float, buckets: Buckets) -> float | None:
    """Return a quantile in seconds, as histogram_quantile of Prometheus estimates it; None without requests."""
    if len(buckets) < 2 or not math.isinf(buckets[-1][0]) or buckets[-1][1] == 0:  # noqa: PLR2004
        return None
    rank = share * buckets[-1][1]
    index = next(index for index, (_, count) in enumerate(buckets) if count >= rank)
    if index == len(buckets) - 1:
        return buckets[-2][0]
    start, below = buckets[index - 1] if index else (0.0, 0)
    end, count = buckets[index]
    return start + (end - start) * (rank - below) / (count - below)


def _error_rate(canary: Sample, stable: Sample, limits: CanaryGates) -> Iterator[str]:
    limit = _or(limits.max_error_rate_percent, MAX_ERROR_RATE_PERCENT)
    # Integers, because a rate that is exactly at the limit does not exceed it.
    excess = canary.errors * max(stable.requests, 1) - stable.errors * canary.requests
    if excess * _PERCENT <= limit * canary.requests * max(stable.requests, 1):
        return
    rate = f"error rate {_rate(canary)} % of {canary.requests} requests"
    if stable.requests:
        compared = f"stable {_rate(stable)} % of {stable.requests}"
        yield f"{rate}, {compared}: exceeds it by more than maxErrorRatePercent {limit}"
    else:
        yield f"{rate}: exceeds maxErrorRatePercent {limit}; the stable pods have too few requests to compare with"


def _latency(canary: Sample, stable: Sample, limits: CanaryGates) -> Iterator[str]:
    limit = _or(limits.max_latency_percent, MAX_LATENCY_PERCENT)
    seconds, usual = quantile(_QUANTILE, canary.buckets), quantile(_QUANTILE, stable.buckets)
    if seconds is None or usual is None or seconds <= max(usual * limit / _PERCENT, TOLERATED_SECONDS):
        return
    yield (
        f"95th percentile of the request duration {_duration(seconds)}, stable {_duration(usual)}: exceeds "
        f"maxLatencyPercent {limit}"
    )


def _token_use(canary: Sample, stable: Sample, limits: CanaryGates) -> Iterator[str]:
    limit = _or(limits.max_tokens_percent, MAX_TOKENS_PERCENT)
    if stable.tokens and canary.tokens * stable.requests * _PERCENT > stable.tokens * canary.requests * limit:
        yield f"{_tokens(canary)} tokens per request, stable {_tokens(stable)}: exceeds maxTokensPercent {limit}"


def _figures(canary: Sample, stable: Sample, *, needed: int) -> str:
    if stable.requests < needed:
        return f"{_summary(canary)}; the stable pods have answered {stable.requests} of the {needed} to compare with"
    return f"{_summary(canary)}; stable {_summary(stable)}"


def _summary(sample: Sample) -> str:
    p95 = quantile(_QUANTILE, sample.buckets)
    duration = "" if p95 is None else f", 95 % within {_duration(p95)}"
    return f"{sample.requests} requests, {_rate(sample)} % errors{duration}, {_tokens(sample)} tokens per request"


def _rate(sample: Sample) -> str:
    return f"{_PERCENT * sample.errors / sample.requests:.1f}" if sample.requests else "0.0"


def _tokens(sample: Sample) -> str:
    return f"{sample.tokens / sample.requests:.0f}" if sample.requests else "0"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= _SHOWN_AS_SECONDS else f"{seconds * 1000:.0f} ms"


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
