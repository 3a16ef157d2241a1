"""Reads the counters of requests, durations and tokens from the /metrics of a runtime pod."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as Series

# A cumulative histogram: upper bounds in seconds in ascending order, each with the number of requests up to it.
Buckets = tuple[tuple[float, int], ...]

_REQUESTS = "agent_requests"
_DURATION = "agent_request_duration_seconds"
_TOKENS = "agent_tokens"
_USED_LINES = tuple(
    f"{start}{name}" for name in (_REQUESTS, _DURATION, _TOKENS) for start in ("", "# TYPE ", "# HELP ")
)
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
        """Return the sum of the counters of two pods, or of two runs of one container."""
        return Sample(
            self.requests + other.requests,
            self.errors + other.errors,
            self.tokens + other.tokens,
            _sum_histograms((self.buckets, other.buckets)),
        )


NO_REQUESTS = Sample()


@dataclass(frozen=True, slots=True)
class UnreadableMetrics:
    """Why a pod has no sample. The message follows "pod NAME ", and quotes nothing that the pod sent."""

    message: str


def parse_metrics(text: str) -> Sample | UnreadableMetrics:
    """Read the Prometheus text format. Never raises, because any container may have written the text."""
    # The parser is slow, so pass it only the lines of the metrics in use.
    lines = "".join(f"{line}\n" for line in text.split("\n") if line.startswith(_USED_LINES))
    try:
        families = list(text_string_to_metric_families(lines))
        if not any(family.name.removesuffix("_total") == _REQUESTS for family in families):
            return UnreadableMetrics(f"exposes no metric {_REQUESTS}_total: use the agent-runtime image")
        return _sample(list(chain.from_iterable(family.samples for family in families)))
    except Exception:  # noqa: BLE001  (the parser raises ValueError, KeyError, IndexError and others)
        return UnreadableMetrics("exposes metrics that are not in the Prometheus text format")


def _sample(series: list[Series]) -> Sample:
    requests = list(_of_agent_routes(series, f"{_REQUESTS}_total"))
    by_route: dict[str, list[tuple[float, int]]] = {}
    for bucket in _of_agent_routes(series, f"{_DURATION}_bucket"):
        by_route.setdefault(bucket.labels["route"], []).append((float(bucket.labels["le"]), int(bucket.value)))
    return Sample(
        requests=sum(int(it.value) for it in requests),
        errors=sum(int(it.value) for it in requests if int(it.labels["code"]) >= _MIN_SERVER_ERROR),
        tokens=sum(int(it.value) for it in series if it.name == f"{_TOKENS}_total"),
        buckets=_sum_histograms(tuple(sorted(buckets)) for buckets in by_route.values()),
    )


def _of_agent_routes(series: Iterable[Series], name: str) -> Iterator[Series]:
    return (it for it in series if it.name == name and it.labels["route"].startswith(_AGENT_ROUTES))


def _sum_histograms(histograms: Iterable[Buckets]) -> Buckets:
    """Add cumulative histograms. Where one lacks a bound of another, its count at the next lower bound is added."""
    filled = [histogram for histogram in histograms if histogram]
    bounds = sorted({bound for histogram in filled for bound, _ in histogram})
    return tuple((bound, sum(_count_up_to(histogram, bound) for histogram in filled)) for bound in bounds)


def _count_up_to(histogram: Buckets, limit: float) -> int:
    """Return the count of the highest bound that does not exceed the limit."""
    return max((count for bound, count in histogram if bound <= limit), default=0)
