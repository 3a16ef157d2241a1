"""The dashboard of the operator itself."""

from agent_operator.monitoring import expressions as of
from agent_operator.monitoring.panels import Dashboard, Panel, Query, Variable

_SELECTED = 'namespace=~"$namespace"'
_PODS = f'{_SELECTED}, job=~"$job"'
_WINDOW = "$__rate_interval"


def operator_dashboard() -> Dashboard:
    """Return the dashboard of the operator."""
    variables = (
        Variable("namespace", "Namespace of the operator", "label_values(agent_operator_info, namespace)"),
        Variable("job", "Job", 'label_values(agent_operator_info{namespace=~"$namespace"}, job)'),
    )
    rows = {
        "Overview": _OVERVIEW,
        "Reconciling": _RECONCILING,
        "API server": _API_SERVER,
        "Process": _PROCESS,
    }
    title = "Agents / Operator"
    return Dashboard("agent-operator-operator", title, "The operator: its work and its process.", variables, rows)


def _rate(by: tuple[str, ...], metric: str, legend: str) -> tuple[Query, ...]:
    return (Query(of.total(by, of.rate(metric, _SELECTED, window=_WINDOW)), legend),)


def _quantiles(metric: str) -> tuple[Query, ...]:
    return tuple(
        Query(of.quantile(share, metric, _SELECTED, by=(), window=_WINDOW), f"p{share * 100:.0f}")
        for share in (0.5, 0.95, 0.99)
    )


def _gauge(metric: str, by: str, legend: str) -> tuple[Query, ...]:
    return (Query(f"max by ({by}) ({metric}{{{_SELECTED}}})", legend),)


_OVERVIEW = (
    Panel(
        "Leaders",
        "Replicas that work. Exactly one, or one per installation.",
        "short",
        (Query(f"sum(agent_operator_leader{{{_SELECTED}}})", "leaders"),),
        kind="stat",
        width=6,
    ),
    Panel(
        "Replicas",
        "Running replicas by version.",
        "short",
        (Query(f"count by (version) (agent_operator_info{{{_SELECTED}}})", "{{version}}"),),
        kind="stat",
        width=6,
    ),
    Panel(
        "Agents in the queue",
        "Agents that wait for a worker.",
        "short",
        (Query(f"sum(agent_operator_queue_depth{{{_SELECTED}}})", "agents"),),
        kind="stat",
        width=6,
    ),
    Panel(
        "Unreadable objects",
        "Objects that the operator cannot read. Its log has their names.",
        "short",
        (Query(f"sum(agent_operator_unreadable_objects{{{_SELECTED}}}) or vector(0)", "objects"),),
        kind="stat",
        width=6,
        thresholds=((1, "red"),),
    ),
)
_RECONCILING = (
    Panel(
        "Passes by outcome",
        "Reconcile passes per second. Without changes, most are unchanged.",
        "ops",
        _rate(("outcome",), "agent_operator_reconcile_total", "{{outcome}}"),
        stacked=True,
    ),
    Panel(
        "Passes by trigger",
        "What starts reconcile passes.",
        "ops",
        _rate(("trigger",), "agent_operator_reconcile_total", "{{trigger}}"),
        stacked=True,
    ),
    Panel(
        "Duration of a pass",
        "With the requests to the API server.",
        "s",
        _quantiles("agent_operator_reconcile_duration_seconds"),
    ),
    Panel(
        "Age of the queue",
        "How long the first agent in the queue has waited.",
        "s",
        _gauge("agent_operator_queue_age_seconds", "pod", "{{pod}}"),
    ),
    Panel("CPU of a pass", "CPU time in the event loop.", "s", _quantiles("agent_operator_reconcile_cpu_seconds")),
    Panel(
        "Expensive passes",
        "Passes per second that took too much CPU time. An Event names the agent.",
        "ops",
        _rate(("pod",), "agent_operator_reconcile_expensive_total", "{{pod}}"),
    ),
)
_API_SERVER = (
    Panel(
        "Requests by code",
        "Requests to the API server per second.",
        "reqps",
        _rate(("code",), "agent_operator_api_requests_total", "{{code}}"),
        stacked=True,
    ),
    Panel(
        "Writes by kind",
        "At rest, the operator writes nothing.",
        "reqps",
        (
            Query(
                of.total(
                    ("verb", "kind"),
                    of.rate(
                        "agent_operator_api_requests_total",
                        'verb!~"get|list|watch"',
                        _SELECTED,
                        window=_WINDOW,
                    ),
                ),
                "{{verb}} {{kind}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Age of watches",
        "Seconds since the last answer. Every watch is renewed within five minutes.",
        "s",
        _gauge("agent_operator_watch_age_seconds", "kind", "{{kind}}"),
        thresholds=((420, "red"),),
    ),
    Panel(
        "Watch events",
        "Watch events of AgentDeployments per second.",
        "ops",
        _rate(("pod",), "agent_operator_watch_events_total", "{{pod}}"),
    ),
    Panel(
        "Dropped Events",
        "Events that were not posted since the start, because their object has too many.",
        "short",
        _gauge("agent_operator_dropped_events", "pod", "{{pod}}"),
    ),
    Panel(
        "Failures of parts",
        "Failures per second of a part of the operator, such as the watch of a kind, which then restarts.",
        "ops",
        _rate(("part",), "agent_operator_part_failures_total", "{{part}}"),
    ),
)
_PROCESS = (
    Panel(
        "Memory",
        "Resident memory. Compare it with the limit of the container.",
        "bytes",
        (Query(f"sum by (pod) (process_resident_memory_bytes{{{_PODS}}})", "{{pod}}"),),
    ),
    Panel(
        "CPU",
        "CPU seconds per second.",
        "short",
        (Query(of.total(("pod",), of.rate("process_cpu_seconds_total", _PODS, window=_WINDOW)), "{{pod}}"),),
    ),
    Panel(
        "Blocked event loop",
        "Seconds per second in which the event loop was blocked for more than 0.1 s. The log has the stack.",
        "percentunit",
        _rate(("pod",), "agent_operator_event_loop_blocked_seconds_sum", "{{pod}}"),
    ),
)
