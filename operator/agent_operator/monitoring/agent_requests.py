"""Panels of an agent: an overview, its requests, and its models."""

from agent_operator.monitoring import expressions as of
from agent_operator.monitoring.agent_queries import AGENT, WINDOW, quantiles, rates
from agent_operator.monitoring.expressions import CALLERS
from agent_operator.monitoring.panels import Panel, Query

OVERVIEW = (
    Panel(
        "Pods scraped",
        "Pods of which Prometheus reads metrics, of all pods that it knows.",
        "percentunit",
        (Query(f"avg(up{{{AGENT}}})", "scraped"),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Healthy components",
        "Share of models, memory and MCP servers whose last probe succeeded, over all pods.",
        "percentunit",
        (Query(f"avg(agent_component_healthy{{{AGENT}}})", "healthy"),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Request rate",
        "Requests of callers per second, without the probes of the kubelet.",
        "reqps",
        (Query(of.total((), of.rate("agent_requests_total", CALLERS, AGENT, window=WINDOW)), "requests"),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Error rate",
        "Share of the requests that the agent answered with 5xx.",
        "percentunit",
        (Query(of.error_ratio(AGENT, by=(), window=WINDOW), "errors"),),
        kind="stat",
        width=4,
        thresholds=((0.01, "orange"), (0.05, "red")),
    ),
    Panel(
        "Latency p95",
        "95 % of the requests took no longer than this.",
        "s",
        (quantiles("agent_request_duration_seconds", CALLERS)[1],),
        kind="stat",
        width=4,
        thresholds=((10, "orange"), (30, "red")),
    ),
    Panel(
        "Tokens in 24 hours",
        "Prompt and completion tokens of all models in the last 24 hours.",
        "short",
        (Query(f"sum(increase(agent_tokens_total{{{AGENT}}}[24h]))", "tokens"),),
        kind="stat",
        width=4,
    ),
)
REQUESTS = (
    Panel(
        "Request latency",
        "Duration of a request until its last byte. A streamed answer counts with its whole length.",
        "s",
        quantiles("agent_request_duration_seconds", CALLERS),
    ),
    Panel(
        "Request rate by route",
        "Requests of callers per second.",
        "reqps",
        rates("route", "agent_requests_total", CALLERS),
        stacked=True,
    ),
    Panel(
        "Failed requests by code",
        "Requests per second that were answered with 4xx or 5xx. 429: a limit or the budget. 503: overload, or no "
        "model answers. 499: the caller closed the connection.",
        "reqps",
        rates("code", "agent_requests_total", CALLERS, 'code=~"[45].."'),
        stacked=True,
    ),
    Panel(
        "Error rate by route",
        "Share of the requests of a route that were answered with 5xx.",
        "percentunit",
        (Query(of.error_ratio(AGENT, by=("route",), window=WINDOW), "{{route}}"),),
    ),
    Panel(
        "Time to first token",
        "Time until the first chunk of a streamed answer.",
        "s",
        quantiles("agent_time_to_first_token_seconds"),
    ),
    Panel(
        "Requests in flight",
        "Requests that a pod is answering.",
        "short",
        (Query(f"sum by (pod) (agent_inflight_requests{{{AGENT}}})", "{{pod}}"),),
        stacked=True,
    ),
)
MODELS = (
    Panel(
        "Tokens by model and kind",
        "Prompt and completion tokens per second, as the models report them.",
        "short",
        (
            Query(
                of.total(("model", "kind"), of.rate("agent_tokens_total", AGENT, window=WINDOW)), "{{model}} {{kind}}"
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Cost in 24 hours by model",
        "By the prices in config.prices. Without prices there is no cost.",
        "short",
        (
            Query(
                f"sum by (model, currency) (increase(agent_cost_total{{{AGENT}}}[24h]))",
                "{{model}} {{currency}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Used budget",
        "Share of each budget in config.budget. From 100 % on, requests get 429 until the next day or month.",
        "percentunit",
        (Query(f"max by (unit, period) (agent_budget_used_ratio{{{AGENT}}})", "{{unit}} per {{period}}"),),
        thresholds=((0.8, "orange"), (1, "red")),
    ),
    Panel(
        "Model latency p95",
        "95 % of the calls of a model took no longer than this.",
        "s",
        (
            Query(
                of.quantile(
                    0.95,
                    "gen_ai_client_operation_duration_seconds",
                    AGENT,
                    by=("gen_ai_request_model",),
                    window=WINDOW,
                ),
                "{{gen_ai_request_model}}",
            ),
        ),
    ),
    Panel(
        "Model errors by reason",
        "Failed calls of a model per second. The agent retries them, or asks a fallback.",
        "reqps",
        (
            Query(
                of.total(("model", "reason"), of.rate("agent_model_errors_total", AGENT, window=WINDOW)),
                "{{model}} {{reason}}",
            ),
        ),
        stacked=True,
    ),
)
