"""The metrics that Prometheus scrapes."""

from functools import cache, partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from agent_runtime.unlocked_metrics import UnlockedCounter, UnlockedHistogram

# From a health probe (a millisecond) to a long completion (five minutes). From 0.1 s up, each bound is less than twice
# the one before, so that an estimated quantile is never wrong by a factor of two.
_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 3.5, 5, 7.5, 10),
    *(15, 20, 30, 45, 60, 90, 120, 180, 300),
)


# The buckets that OpenTelemetry's semantic conventions for generative AI name.
_GEN_AI_SECONDS = tuple(0.01 * 2**power for power in range(14))
_GEN_AI_TOKENS = tuple(4**power for power in range(14))
_PROVIDERS = {"azure_openai": "azure.ai.openai"}
_TOKEN_TYPES = {"prompt": "input", "completion": "output"}


class GenAiMetrics:
    """The metrics of OpenTelemetry's semantic conventions for generative AI, with the names that Prometheus gives them.

    They need no OpenTelemetry, so they exist without traces.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"]
        self._models: dict[str, tuple[str, str]] = {}
        self._tokens = UnlockedHistogram(
            "gen_ai_client_token_usage",
            "Tokens of a call of a model.",
            [*labels, "gen_ai_token_type"],
            registry=registry,
            buckets=_GEN_AI_TOKENS,
        )
        seconds = partial(UnlockedHistogram, registry=registry, buckets=_GEN_AI_SECONDS)
        self._duration = seconds(
            "gen_ai_client_operation_duration_seconds", "Duration of a call of a model.", [*labels, "error_type"]
        )
        self._first_chunk = seconds(
            "gen_ai_client_operation_time_to_first_chunk_seconds", "Time to the first chunk of a stream.", labels
        )
        # As in Metrics.
        self._tokens_of, self._duration_of = cache(self._tokens.labels), cache(self._duration.labels)
        self._first_chunk_of = cache(self._first_chunk.labels)

    def name_model(self, name: str, provider: str, model: str) -> None:
        """Set the provider and the upstream name of a model of the agent."""
        self._models[name] = (_PROVIDERS.get(provider, provider), model)

    def count_tokens(self, operation: str, name: str, kind: str, tokens: int) -> None:
        """Observe the tokens of a call; `kind` is prompt or completion."""
        self._tokens_of(operation, *self._of(name), _TOKEN_TYPES[kind]).observe(tokens)

    def observe_call(self, operation: str, name: str, seconds: float, error: str = "") -> None:
        """Observe the duration of a call; `error` is the code of its failure."""
        self._duration_of(operation, *self._of(name), error).observe(seconds)

    def observe_first_chunk(self, operation: str, name: str, seconds: float) -> None:
        """Observe the time to the first chunk of a stream."""
        self._first_chunk_of(operation, *self._of(name)).observe(seconds)

    def _of(self, name: str) -> tuple[str, str]:
        return self._models.get(name, ("", name))


class Metrics:
    """The metrics of the runtime, in their own registry."""

    def __init__(self, version: str, revision: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.gen_ai = GenAiMetrics(registry)
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        self.requests = UnlockedCounter(
            "agent_requests", "HTTP requests by route and status code.", ["route", "code"], registry=registry
        )
        self.duration = UnlockedHistogram(
            "agent_request_duration_seconds",
            "Duration of an HTTP request.",
            ["route"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.first_token = Histogram(
            "agent_time_to_first_token_seconds",
            "Time to the first chunk of a streamed completion.",
            ["model"],
            registry=registry,
            buckets=_SECONDS,
        )
        # A gauge costs more to change than a number.
        self.in_flight = 0
        gauge("agent_inflight_requests", "HTTP requests in flight.").set_function(lambda: self.in_flight)
        self.tokens = UnlockedCounter(
            "agent_tokens", "Tokens by model and kind (prompt or completion).", ["model", "kind"], registry=registry
        )
        self._cost = UnlockedCounter(
            "agent_cost", "Cost of the calls of a model, by config.prices.", ["model", "currency"], registry=registry
        )
        self.budget_used = gauge(
            "agent_budget_used_ratio",
            "Used share of a budget: unit (tokens or cost) and period (day or month). With memory.cache, of all pods.",
            ["unit", "period"],
        )
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
        self._tokens_of, self._cost_of = cache(self.tokens.labels), cache(self._cost.labels)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count a finished request and observe its duration."""
        self._request_of(route, status).inc()
        self._duration_of(route).observe(seconds)

    def count_tokens(self, model: str, kind: str, tokens: int) -> None:
        """Count the tokens of a model call; `kind` is prompt or completion."""
        self._tokens_of(model, kind).inc(tokens)

    def count_cost(self, model: str, currency: str, cost: float) -> None:
        """Count the cost of a model call."""
        self._cost_of(model, currency).inc(cost)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that the Accept header names, and the content type of that format."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # an invalid version in the header
            encode, content_type = choose_encoder("")
        return encode(self.registry), content_type
