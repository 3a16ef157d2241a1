"""Queries about the agents that the reader of a dashboard selects."""

from agent_operator.monitoring import expressions as of
from agent_operator.monitoring.panels import Query

AGENT = 'namespace=~"$namespace", service=~"$agent"'
WINDOW = "$__rate_interval"
_QUANTILES = (0.5, 0.95, 0.99)


def quantiles(metric: str, *matchers: str) -> tuple[Query, ...]:
    """Return the queries of p50, p95 and p99."""
    return tuple(
        Query(of.quantile(share, metric, *matchers, AGENT, by=(), window=WINDOW), f"p{share * 100:.0f}")
        for share in _QUANTILES
    )


def rates(by: str, metric: str, *matchers: str, legend: str = "") -> tuple[Query, ...]:
    return (Query(of.total((by,), of.rate(metric, *matchers, AGENT, window=WINDOW)), legend or f"{{{{{by}}}}}"),)
