"""PromQL expressions about agents, which dashboards and rules share.

The labels namespace, service and pod are those that the Prometheus Operator adds to the targets of a ServiceMonitor. An
agent is identified by namespace and service, because its Service has its name.
"""

BY_AGENT = ("namespace", "service")
# Requests of callers. The probes of the kubelet would hide slow and failed requests, because they are quick.
CALLERS = 'route!~"/health.*"'
# Requests that the agent failed. 499 and the other 4xx codes are up to the caller.
FAILED = 'code=~"5.."'


def selector(*matchers: str) -> str:
    """Return the label matchers of a selector in braces; empty without matchers."""
    given = ", ".join(matcher for matcher in matchers if matcher)
    return f"{{{given}}}" if given else ""


def total(by: tuple[str, ...], expr: str) -> str:
    """Return the sum of an expression by labels."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def rate(metric: str, *matchers: str, window: str) -> str:
    """Return the rate per second of a counter."""
    return f"rate({metric}{selector(*matchers)}[{window}])"


def quantile(share: float, metric: str, *matchers: str, by: tuple[str, ...], window: str) -> str:
    """Return a quantile of a histogram by labels."""
    buckets = total(("le", *by), rate(f"{metric}_bucket", *matchers, window=window))
    return f"histogram_quantile({share}, {buckets})"


def error_ratio(*matchers: str, by: tuple[str, ...], window: str) -> str:
    """Return the share of failed requests of callers; 0 if none failed, and nothing without requests."""
    every = total(by, rate("agent_requests_total", CALLERS, *matchers, window=window))
    failed = total(by, rate("agent_requests_total", CALLERS, FAILED, *matchers, window=window))
    return f"({failed} or 0 * {every}) / ({every} > 0)"


def model_error_ratio(*matchers: str, by: tuple[str, ...], window: str) -> str:
    """Return the share of failed calls of a model; a call that its caller gave up did not fail."""
    metric, is_error = "gen_ai_client_operation_duration_seconds_count", 'error_type!~"|cancelled"'
    every = total(by, rate(metric, *matchers, window=window))
    failed = total(by, rate(metric, is_error, *matchers, window=window))
    return f"({failed} or 0 * {every}) / ({every} > 0)"
