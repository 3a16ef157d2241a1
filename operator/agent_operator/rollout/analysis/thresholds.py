"""Whether the canary does as well as the stable pods, by what both have answered in the same time."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent_operator.api.v1alpha1.rollout import CanaryGates
from agent_operator.rollout.analysis.parser import NO_REQUESTS, Buckets, Sample

MAX_ERROR_RATE_PERCENT = 5
MAX_LATENCY_PERCENT = 200
MAX_TOKENS_PERCENT = 200
MIN_REQUESTS = 20
# A percentage of next to nothing is next to nothing too: up to here a busy node explains any latency.
UNNOTICED_SECONDS = 0.1
_QUANTILE = 0.95
_ALL = 100
_SHOWN_AS_SECONDS = 0.95


class AnalysisPhase(StrEnum):
    """What the gates say."""

    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    """Too few requests to tell."""


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """What the gates say, and the figures for it, as a sentence."""

    phase: AnalysisPhase
    message: str

    @property
    def failed(self) -> bool:
        """Whether the canary did worse than is allowed."""
        return self.phase is AnalysisPhase.FAILED


@dataclass(frozen=True, slots=True)
class CounterWindow:
    """What some pods have done since they were first looked at.

    Attributes:
        latest: what each of them said last, by the name of the pod. Those that are gone stay: they did what they did.
        total: what they have done together since their first sample each.
    """

    latest: Mapping[str, Sample] = field(default_factory=dict)
    total: Sample = NO_REQUESTS

    def with_samples(self, samples: Mapping[str, Sample]) -> "CounterWindow":
        """Return the window with what the pods say now. A pod that is new counts from here on."""
        total = self.total
        for pod, now in samples.items():
            if pod in self.latest:
                total += increase(self.latest[pod], now)
        return CounterWindow({**self.latest, **samples}, total)


def increase(before: Sample, now: Sample) -> Sample:
    """Return what a pod did between two samples; when a counter went back, its container was started anew."""
    known = dict(before.buckets)
    grown = tuple((bound, count - known.get(bound, 0)) for bound, count in now.buckets)
    steps = (now.requests - before.requests, now.errors - before.errors, now.tokens - before.tokens)
    restarted = min((*steps, *(count for _, count in grown))) < 0 or known.keys() - dict(now.buckets).keys()
    return now if restarted else Sample(*steps, grown)


def quantile(share: float, buckets: Buckets) -> float | None:
    """Return a quantile in seconds, as Prometheus' histogram_quantile estimates it; None without requests."""
    if len(buckets) < 2 or not math.isinf(buckets[-1][0]) or buckets[-1][1] == 0:  # noqa: PLR2004
        return None
    rank = share * buckets[-1][1]
    index = next(index for index, (_, count) in enumerate(buckets) if count >= rank)
    if index == len(buckets) - 1:
        return buckets[-2][0]
    start, below = buckets[index - 1] if index else (0.0, 0)
    end, count = buckets[index]
    return start + (end - start) * (rank - below) / (count - below)


def analyse(canary: Sample, stable: Sample, gates: CanaryGates | None) -> AnalysisResult:
    """Compare what both did within a step. Without enough requests of the stable pods, only errors are judged."""
    limits = gates or CanaryGates()
    least = _or(limits.min_requests, MIN_REQUESTS)
    if canary.requests < least:
        return AnalysisResult(
            AnalysisPhase.INCONCLUSIVE, f"the canary has answered {canary.requests} of the {least} requests needed"
        )
    compared = stable.requests >= least
    faults = list(_faults(canary, stable if compared else NO_REQUESTS, limits))
    if faults:
        return AnalysisResult(AnalysisPhase.FAILED, "; ".join(faults))
    return AnalysisResult(AnalysisPhase.SUCCESSFUL, _figures(canary, stable, least=least))


def _faults(canary: Sample, stable: Sample, limits: CanaryGates) -> Iterator[str]:
    """Yield what is above a limit. Stable pods without a request are compared with in nothing."""
    most = _or(limits.max_error_rate_percent, MAX_ERROR_RATE_PERCENT)
    # In whole numbers, for a rate that is exactly at its limit is not above it.
    above = canary.errors * max(stable.requests, 1) - stable.errors * canary.requests
    if above * _ALL > most * canary.requests * max(stable.requests, 1):
        rate = f"error rate {_rate(canary)} % of {canary.requests} requests"
        yield (
            f"{rate}, stable {_rate(stable)} % of {stable.requests}: above by more than maxErrorRatePercent {most}"
            if stable.requests
            else f"{rate}: above maxErrorRatePercent {most}; the stable pods had too few requests to compare with"
        )
    slow, usual = quantile(_QUANTILE, canary.buckets), quantile(_QUANTILE, stable.buckets)
    most = _or(limits.max_latency_percent, MAX_LATENCY_PERCENT)
    if slow is not None and usual is not None and slow > max(usual * most / _ALL, UNNOTICED_SECONDS):
        yield (
            f"95th percentile of the request duration {_seconds(slow)}, stable {_seconds(usual)}: above "
            f"maxLatencyPercent {most}"
        )
    most = _or(limits.max_tokens_percent, MAX_TOKENS_PERCENT)
    if stable.tokens and canary.tokens * stable.requests * _ALL > stable.tokens * canary.requests * most:
        yield f"{_tokens(canary)} tokens a request, stable {_tokens(stable)}: above maxTokensPercent {most}"


def _figures(canary: Sample, stable: Sample, *, least: int) -> str:
    own = f"{canary.requests} requests, {_rate(canary)} % errors{_duration(canary)}, {_tokens(canary)} tokens each"
    if stable.requests < least:
        return f"{own}; the stable pods have answered {stable.requests} of the {least} needed to compare with"
    return (
        f"{own}; stable {stable.requests} requests, {_rate(stable)} % errors{_duration(stable)}, {_tokens(stable)} "
        "tokens each"
    )


def _rate(sample: Sample) -> str:
    return f"{_ALL * sample.errors / sample.requests:.1f}" if sample.requests else "0.0"


def _tokens(sample: Sample) -> str:
    return f"{sample.tokens / sample.requests:.0f}" if sample.requests else "0"


def _duration(sample: Sample) -> str:
    found = quantile(_QUANTILE, sample.buckets)
    return "" if found is None else f", 95 % within {_seconds(found)}"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= _SHOWN_AS_SECONDS else f"{value * 1000:.0f} ms"


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
