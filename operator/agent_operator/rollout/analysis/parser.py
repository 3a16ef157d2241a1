"""Reads the counters of requests, durations and tokens from the /metrics of a runtime pod."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, chain, islice

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as Series

# A cumulative histogram: upper bounds in seconds in ascending order, each with the number of requests up to it.
Buckets = tuple[tuple[float, int], ...]

_REQUESTS = "agent_requests"
_DURATION = "agent_request_duration_seconds"
_TOKENS = "agent_tokens"
_USED_LINE = re.compile(rf"^(?:# (?:TYPE|HELP) )?(?:{_REQUESTS}|{_DURATION}|{_TOKENS}).*", re.MULTILINE)
# The parser takes up to 0.8 µs for a character and 20 µs for a line. A runtime writes about 20 KiB of these lines.
MAX_CHARS = 64 * 1024
MAX_LINES = 2_000
MAX_BOUNDS = 128
# Larger floating-point numbers are no exact counts.
_MAX_COUNT = 2**53
# Routes behind which the agent answers. Probes and static pages show nothing about the quality of a revision.
_AGENT_ROUTES = ("/v1/", "/api/", "/a2a")
_MIN_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Sample:
    """The counters of a pod at one time. They only grow while its container runs.

    Attributes:
        requests: answered requests on the routes of the agent, of any status code.
        errors: answered requests with a 5xx status code.
        tokens: of prompts and completions.
        buckets: histogram of the durations of these requests; empty without requests.
    """

    requests: int = 0
    errors: int = 0
    tokens: int = 0
    buckets: Buckets = field(default=())

    def __add__(self, other: "Sample") -> "Sample":
        """Return the sum of the counters of two pods, or of two runs of one container.

        Histograms with many different bounds are left out.
        """
        buckets = _sum_histograms((self.buckets, other.buckets))
        return Sample(
            self.requests + other.requests,
            self.errors + other.errors,
            self.tokens + other.tokens,
            buckets if len(buckets) <= MAX_BOUNDS else (),
        )


NO_REQUESTS = Sample()


@dataclass(frozen=True, slots=True)
class UnreadableMetrics:
    """Why a pod has no sample. The message follows "pod NAME ", and quotes nothing that the pod sent."""

    message: str


def parse_metrics(text: str) -> Sample | UnreadableMetrics:
    """Read the Prometheus text format. Never raises, because any container may have written the text."""
    # The parser is slow, so pass it only the lines of the metrics in use.
    lines = [match[0] for match in islice(_USED_LINE.finditer(text), MAX_LINES + 1)]
    if len(lines) > MAX_LINES or sum(map(len, lines)) > MAX_CHARS:
        return UnreadableMetrics(f"exposes more than {MAX_LINES} series or {MAX_CHARS} bytes of them")
    try:
        families = list(text_string_to_metric_families("\n".join([*lines, ""])))
        if not any(family.name.removesuffix("_total") == _REQUESTS for family in families):
            return UnreadableMetrics(f"exposes no metric {_REQUESTS}_total: use the agent-runtime image")
        return _sample(list(chain.from_iterable(family.samples for family in families)))
    except Exception:  # noqa: BLE001  (the parser raises ValueError, KeyError, IndexError and others)
        return UnreadableMetrics("exposes metrics that are not in the Prometheus text format")


def _sample(series: list[Series]) -> Sample:
    requests = list(_of_agent_routes(series, f"{_REQUESTS}_total"))
    by_route: dict[str, list[tuple[float, int]]] = {}
    for bucket in _of_agent_routes(series, f"{_DURATION}_bucket"):
        by_route.setdefault(bucket.labels["route"], []).append((_bound(bucket), _count(bucket)))
    buckets = _sum_histograms(tuple(sorted(buckets)) for buckets in by_route.values())
    if len(buckets) > MAX_BOUNDS:
        raise ValueError("too many bounds")
    return Sample(
        requests=sum(_count(it) for it in requests),
        errors=sum(_count(it) for it in requests if int(it.labels["code"]) >= _MIN_SERVER_ERROR),
        tokens=sum(_count(it) for it in series if it.name == f"{_TOKENS}_total"),
        buckets=buckets,
    )


def _count(series: Series) -> int:
    if not 0 <= series.value <= _MAX_COUNT:
        raise ValueError("not a count")
    return int(series.value)


def _bound(bucket: Series) -> float:
    bound = float(bucket.labels["le"])
    if math.isnan(bound):
        raise ValueError("not a bound")
    return bound


def _of_agent_routes(series: Iterable[Series], name: str) -> Iterator[Series]:
    return (it for it in series if it.name == name and it.labels["route"].startswith(_AGENT_ROUTES))


def _sum_histograms(histograms: Iterable[Buckets]) -> Buckets:
    """Add cumulative histograms. Where one lacks a bound of another, its count at the next lower bound is added."""
    increments: dict[float, int] = {}
    for histogram in histograms:
        below = 0
        for bound, count in histogram:
            increments[bound] = increments.get(bound, 0) + max(0, count - below)
            below = max(below, count)
    bounds = sorted(increments)
    return tuple(zip(bounds, accumulate(increments[bound] for bound in bounds), strict=True))
