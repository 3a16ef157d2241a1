"""What Prometheus reads."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

# A health probe takes a millisecond, a long completion five minutes. From 0.1 on no step is as much as twofold, so that
# two of almost the same duration are never told apart as one that takes twice as long.
_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 3.5, 5, 7.5, 10),
    *(15, 20, 30, 45, 60, 90, 120, 180, 300),
)


class Metrics:
    """The runtime's metrics, in a registry of their own."""

    def __init__(self, version: str, revision: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("agent_requests", "Requests answered.", ["route", "code"], registry=registry)
        self.duration = Histogram(
            "agent_request_duration_seconds", "Time to the last byte.", ["route"], buckets=_SECONDS, registry=registry
        )
        self.first_token = Histogram(
            "agent_time_to_first_token_seconds",
            "Time to the first chunk of a streamed answer.",
            ["model"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.inflight = Gauge("agent_inflight_requests", "Requests being answered now.", registry=registry)
        self.tokens = Counter(
            "agent_tokens", "Tokens by model and kind: prompt or completion.", ["model", "kind"], registry=registry
        )
        self.model_errors = Counter(
            "agent_model_errors", "Failed calls of a model by reason.", ["model", "reason"], registry=registry
        )
        self.tool_calls = Counter(
            "agent_tool_calls", "Tool calls by outcome: success or error.", ["tool", "outcome"], registry=registry
        )
        self.healthy = Gauge(
            "agent_component_healthy", "1 while the component is healthy.", ["component"], registry=registry
        )
        # Finding a metric by its labels costs more than counting; there are few combinations.
        self._request_of, self._duration_of = cache(self.requests.labels), cache(self.duration.labels)
        self._tokens_of = cache(self.tokens.labels)
        info = Gauge("agent_info", "Always 1.", ["version", "revision"], registry=registry)
        info.labels(version, revision).set(1)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count and time a request that was answered."""
        self._request_of(route, status).inc()
        self._duration_of(route).observe(seconds)

    def count_tokens(self, model: str, kind: str, tokens: int) -> None:
        """Count tokens of a model."""
        self._tokens_of(model, kind).inc(tokens)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that the scraper's Accept header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
