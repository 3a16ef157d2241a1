"""Alerts about agents, and the series that Prometheus records about them."""

from collections.abc import Iterator

from agent_operator.monitoring import expressions as of
from agent_operator.monitoring.expressions import BY_AGENT, CALLERS
from agent_operator.monitoring.rules import Alert, Recording

ERROR_PERCENT = 5
LATENCY_SECONDS = 30
_AGENT = "{{ $labels.namespace }}/{{ $labels.service }}"
_WINDOW = "5m"


def recordings() -> Iterator[Recording]:
    """Yield the series by agent: rates, the share of failed requests, and latencies."""
    for name, metric, matcher in (
        ("agent:requests:rate5m", "agent_requests_total", CALLERS),
        ("agent:tokens:rate5m", "agent_tokens_total", ""),
    ):
        yield Recording(name, of.total(BY_AGENT, of.rate(metric, matcher, window=_WINDOW)))
    yield Recording("agent:request_errors:ratio_rate5m", of.error_ratio(by=BY_AGENT, window=_WINDOW))
    for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        expr = of.quantile(share, "agent_request_duration_seconds", CALLERS, by=BY_AGENT, window=_WINDOW)
        yield Recording(f"agent:request_duration_seconds:{name}_rate5m", expr)


def alerts(
    *matchers: str, error_percent: int = ERROR_PERCENT, latency_seconds: int = LATENCY_SECONDS
) -> tuple[Alert, ...]:
    """Return the alerts about the agents whose series have these labels.

    Args:
        matchers: label matchers; none for all agents.
        error_percent: share of failed requests from which on the alert fires.
        latency_seconds: p95 of the duration of a request from which on the alert fires.
    """
    return (
        *_request_alerts(*matchers, error_percent=error_percent, latency_seconds=latency_seconds),
        *_dependency_alerts(*matchers),
        *_pod_alerts(*matchers),
    )


def _request_alerts(*matchers: str, error_percent: int, latency_seconds: int) -> Iterator[Alert]:
    errors = of.error_ratio(*matchers, by=BY_AGENT, window=_WINDOW)
    yield Alert(
        "AgentErrorRateHigh",
        f"{errors} > {error_percent / 100}",
        "10m",
        "critical",
        f"{_AGENT} fails {{{{ $value | humanizePercentage }}}} of its requests",
        f"More than {error_percent} % of the requests of callers were answered with 5xx for 10 minutes. See which "
        "codes and models the dashboard shows.",
    )
    metric = "agent_request_duration_seconds"
    yield Alert(
        "AgentLatencyHigh",
        of.quantile(0.95, metric, CALLERS, *matchers, by=BY_AGENT, window=_WINDOW) + f" > {latency_seconds}",
        "15m",
        "warning",
        f"{_AGENT} answers slowly: p95 is {{{{ $value | humanizeDuration }}}}",
        f"5 % of the requests took longer than {latency_seconds} s for 15 minutes. See whether the model or the number "
        "of pods is the reason.",
    )
    refused = of.rate("agent_requests_total", CALLERS, 'code=~"429|503"', *matchers, window=_WINDOW)
    every = of.rate("agent_requests_total", CALLERS, *matchers, window=_WINDOW)
    yield Alert(
        "AgentRejectsRequests",
        f"{of.total(BY_AGENT, refused)} / {of.total(BY_AGENT, every)} > 0.1",
        "10m",
        "warning",
        f"{_AGENT} rejects {{{{ $value | humanizePercentage }}}} of its requests",
        "More than 10 % of the requests were answered with 429 or 503 for 10 minutes: a rate limit, the token budget, "
        "or too few pods.",
    )


def _dependency_alerts(*matchers: str) -> Iterator[Alert]:
    healthy = f"agent_component_healthy{of.selector(*matchers)}"
    yield Alert(
        "AgentComponentUnhealthy",
        f"min by (namespace, service, component) ({healthy}) == 0",
        "10m",
        "warning",
        f"{_AGENT} does not reach {{{{ $labels.component }}}}",
        "At least one pod has not reached this model, memory or MCP server for 10 minutes. The condition "
        "ComponentsHealthy of the AgentDeployment has the error.",
    )
    by_model = (*BY_AGENT, "gen_ai_request_model")
    yield Alert(
        "AgentModelErrors",
        of.model_error_ratio(*matchers, by=by_model, window=_WINDOW) + " > 0.2",
        "10m",
        "warning",
        f"{_AGENT}: {{{{ $value | humanizePercentage }}}} of the calls of {{{{ $labels.gen_ai_request_model }}}} fail",
        "More than 20 % of the calls of this model failed for 10 minutes. Fallbacks may hide it from callers.",
    )
    used = f"max by (namespace, service, unit, period) (agent_budget_used_ratio{of.selector(*matchers)})"
    yield Alert(
        "AgentBudgetNearlySpent",
        f"{used} > 0.8",
        "1m",
        "warning",
        f"{_AGENT} has used {{{{ $value | humanizePercentage }}}} of its budget ({{{{ $labels.unit }}}} per "
        "{{ $labels.period }})",
        "From 100 % on, requests get 429 until the next day or month begins, in UTC.",
    )
    failed = of.rate("agent_tool_calls_total", 'outcome="error"', *matchers, window=_WINDOW)
    every = of.rate("agent_tool_calls_total", *matchers, window=_WINDOW)
    by_tool = (*BY_AGENT, "tool")
    yield Alert(
        "AgentToolErrors",
        f"{of.total(by_tool, failed)} / {of.total(by_tool, every)} > 0.5",
        "15m",
        "warning",
        f"{_AGENT}: {{{{ $value | humanizePercentage }}}} of the calls of {{{{ $labels.tool }}}} fail",
        "More than half of the calls of this tool failed for 15 minutes. The model answers without its results.",
    )


def _pod_alerts(*matchers: str) -> Iterator[Alert]:
    # up has no label of the runtime. Only agents had agent_info within the last hour.
    known = f"last_over_time(agent_info{of.selector(*matchers)}[1h])"
    yield Alert(
        "AgentPodsNotScraped",
        f"count by (namespace, service) (up{of.selector(*matchers)} == 0 and on (namespace, pod) {known})",
        "10m",
        "warning",
        f"{_AGENT}: Prometheus does not reach {{{{ $value }}}} of its pods",
        "The pods had metrics within the last hour. They hang, or a NetworkPolicy closes the metrics port.",
    )
    starts = f"changes(process_start_time_seconds{of.selector(*matchers)}[1h])"
    yield Alert(
        "AgentRestarts",
        f"sum by (namespace, service, pod) ({starts} and on (namespace, pod) {known}) > 3",
        "0m",
        "warning",
        f"{_AGENT}: pod {{{{ $labels.pod }}}} started {{{{ $value }}}} times in an hour",
        "Its process ends again and again. status.lastFailure of the AgentDeployment has the reason.",
    )
