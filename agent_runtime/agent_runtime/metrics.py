"""The metrics that Prometheus scrapes."""

from functools import cache, partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

# From a health probe (a millisecond) to a long completion (five minutes). From 0.1 s up, each bound is less than twice
# the one before, so that an estimated quantile is never wrong by a factor of two.
_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 3.5, 5, 7.5, 10),
    *(15, 20, 30, 45, 60, 90, 120, 180, 300),
)


class Metrics:
    """The metrics of the runtime, in their own registry."""

    def __init__(self, version: str, revision: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry, buckets=_SECONDS)
        self.requests = counter("agent_requests", "HTTP requests by route and status code.", ["route", "code"])
        self.duration = histogram("agent_request_duration_seconds", "Duration of an HTTP request.", ["route"])
        self.first_token = histogram(
            "agent_time_to_first_token_seconds", "Time to the first chunk of a streamed completion.", ["model"]
        )
        self.inflight = gauge("agent_inflight_requests", "HTTP requests in flight.")
        self.tokens = counter("agent_tokens", "Tokens by model and kind (prompt or completion).", ["model", "kind"])
        self.model_errors = counter("agent_model_errors", "Failed calls of a model, by reason.", ["model", "reason"])
        self.tool_calls = counter(
            "agent_tool_calls", "Tool calls by tool and outcome (success or error).", ["tool", "outcome"]
        )
        self.tools_left_out = gauge(
            "agent_tools_left_out", "Tools of an MCP server that models do not get, because of a limit.", ["server"]
        )
        self.healthy = gauge(
            "agent_component_healthy", "1 if the last probe of the component succeeded, else 0.", ["component"]
        )
        info = gauge("agent_info", "Always 1; version of the runtime, revision of the agent.", ["version", "revision"])
        info.labels(version, revision).set(1)
        # labels() costs more than inc(). There are few combinations of labels, so keep what it returns.
        self._request_of, self._duration_of = cache(self.requests.labels), cache(self.duration.labels)
        self._tokens_of = cache(self.tokens.labels)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count a finished request and observe its duration."""
        self._request_of(route, status).inc()
        self._duration_of(route).observe(seconds)

    def count_tokens(self, model: str, kind: str, tokens: int) -> None:
        """Count the tokens of a model call; `kind` is prompt or completion."""
        self._tokens_of(model, kind).inc(tokens)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that the Accept header names, and the content type of that format."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # an invalid version in the header
            encode, content_type = choose_encoder("")
        return encode(self.registry), content_type
