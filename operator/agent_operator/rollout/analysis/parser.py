"""What a pod of the runtime has answered since its start, read from its /metrics."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as Series

# Upper bound in seconds, and how many requests took no longer; in the order of the bounds.
Buckets = tuple[tuple[float, int], ...]

_REQUESTS = "agent_requests"
_DURATION = "agent_request_duration_seconds"
_TOKENS = "agent_tokens"
_WANTED = tuple(f"{start}{name}" for name in (_REQUESTS, _DURATION, _TOKENS) for start in ("", "# TYPE ", "# HELP "))
# Behind these the agent answers; probes and pages that are only shown say nothing about it.
_ANSWERING = ("/v1/", "/api/", "/a2a")
_LEAST_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters, all of them only ever growing while the pod's container runs.

    Attributes:
        requests: answered on the routes that answer users, whatever the answer.
        errors: of them, those with a 5xx.
        tokens: of prompts and answers.
        buckets: cumulative histogram of how long these requests took; empty when there were none.
    """

    requests: int = 0
    errors: int = 0
    tokens: int = 0
    buckets: Buckets = field(default=())

    def __add__(self, other: "Sample") -> "Sample":
        """Return what two pods, or one before and after a restart, have done together."""
        return Sample(
            self.requests + other.requests,
            self.errors + other.errors,
            self.tokens + other.tokens,
            _added((self.buckets, other.buckets)),
        )


NO_REQUESTS = Sample()


@dataclass(frozen=True, slots=True)
class UnreadableMetrics:
    """Why a text is not what the runtime writes; one sentence, with nothing of the text but names of metrics."""

    message: str


def parse_metrics(text: str) -> Sample | UnreadableMetrics:
    """Read an exposition in Prometheus' text format. Never raises."""
    # The parser is slow, so it gets only what is needed of a text that anybody's container may have written.
    lines = "".join(f"{line}\n" for line in text.split("\n") if line.startswith(_WANTED))
    try:
        families = list(text_string_to_metric_families(lines))
        if not any(family.name.removesuffix("_total") == _REQUESTS for family in families):
            return UnreadableMetrics(f"there is no metric {_REQUESTS}_total: this is not the bundled runtime")
        return _sample(list(chain.from_iterable(family.samples for family in families)))
    except Exception:  # noqa: BLE001  (the parser raises whatever it stumbles over: ValueError, KeyError, IndexError)
        return UnreadableMetrics("not in Prometheus' text format")


def _sample(found: list[Series]) -> Sample:
    requests = list(_answered(found, f"{_REQUESTS}_total"))
    routes: dict[str, list[tuple[float, int]]] = {}
    for series in _answered(found, f"{_DURATION}_bucket"):
        routes.setdefault(series.labels["route"], []).append((float(series.labels["le"]), int(series.value)))
    return Sample(
        requests=sum(int(series.value) for series in requests),
        errors=sum(int(series.value) for series in requests if int(series.labels["code"]) >= _LEAST_SERVER_ERROR),
        tokens=sum(int(series.value) for series in found if series.name == f"{_TOKENS}_total"),
        buckets=_added(tuple(sorted(buckets)) for buckets in routes.values()),
    )


def _answered(found: Iterable[Series], name: str) -> Iterator[Series]:
    return (series for series in found if series.name == name and series.labels["route"].startswith(_ANSWERING))


def _added(histograms: Iterable[Buckets]) -> Buckets:
    """Add cumulative histograms. One that lacks a bound counts there what it has up to the bound before."""
    given = [histogram for histogram in histograms if histogram]
    bounds = sorted({bound for histogram in given for bound, _ in histogram})
    return tuple((bound, sum(_up_to(histogram, bound) for histogram in given)) for bound in bounds)


def _up_to(histogram: Buckets, limit: float) -> int:
    """Return how many requests took no longer than the highest bound that is not above the limit."""
    return max((count for bound, count in histogram if bound <= limit), default=0)
