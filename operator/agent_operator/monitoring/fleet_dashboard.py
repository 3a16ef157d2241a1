"""The dashboard of all agents and of the channels that upgrade them."""

from agent_operator.monitoring import expressions as of
from agent_operator.monitoring.expressions import BY_AGENT, CALLERS
from agent_operator.monitoring.panels import Dashboard, Panel, Query, Variable

_SELECTED = 'namespace=~"$namespace"'
_WINDOW = "$__rate_interval"


def fleet_dashboard() -> Dashboard:
    """Return the dashboard of the fleet."""
    namespace = Variable("namespace", "Namespace of the agents", "label_values(agent_info, namespace)")
    rows = {"Agents": _AGENTS, "Rollouts": _ROLLOUTS, "Agents that need attention": _WORST}
    return Dashboard("agent-operator-fleet", "Agents / Fleet", "All agents and their channels.", (namespace,), rows)


def _count(condition: str) -> Query:
    # A condition that is true for no agent has no sample.
    return Query(f'sum(agent_operator_agents{{condition="{condition}"}}) or vector(0)', condition)


def _worst(title: str, description: str, unit: str, expr: str) -> Panel:
    return Panel(title, description, unit, (Query(f"topk(10, {expr})", "{{namespace}}/{{service}}"),), kind="table")


_AGENTS = (
    Panel("Ready", "Agents that serve the current spec.", "short", (_count("Ready"),), kind="stat", width=6),
    Panel(
        "In progress",
        "Agents whose pods do not match the spec yet.",
        "short",
        (_count("Reconciling"),),
        kind="stat",
        width=6,
    ),
    Panel(
        "Stalled",
        "Agents that wait for a correction: kubectl get agd -A shows the reason.",
        "short",
        (_count("Stalled"),),
        kind="stat",
        width=6,
        thresholds=((1, "red"),),
    ),
    Panel(
        "With warnings",
        "Agents that run, but perhaps not as their authors expect.",
        "short",
        (_count("Warning"),),
        kind="stat",
        width=6,
        thresholds=((1, "orange"),),
    ),
    Panel(
        "Agents by condition",
        "Number of agents for which each condition is true.",
        "short",
        (Query("sum by (condition) (agent_operator_agents)", "{{condition}}"),),
    ),
    Panel(
        "Request rate",
        "Requests of callers per second.",
        "reqps",
        (
            Query(
                of.total(BY_AGENT, of.rate("agent_requests_total", CALLERS, _SELECTED, window=_WINDOW)),
                "{{namespace}}/{{service}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Tokens",
        "Tokens per second, of prompts and completions.",
        "short",
        (
            Query(
                of.total(BY_AGENT, of.rate("agent_tokens_total", _SELECTED, window=_WINDOW)),
                "{{namespace}}/{{service}}",
            ),
        ),
        stacked=True,
    ),
)
_ROLLOUTS = (
    Panel(
        "Agents of a channel by state",
        "updated: has the version of the channel. rolling: the pods are being replaced. waiting: for its wave or a "
        "maintenance window. failed: the version was rolled back. skipped: pinned or suspended.",
        "short",
        (Query("sum by (channel, state) (agent_operator_channel_agents)", "{{channel}} {{state}}"),),
        stacked=True,
    ),
    Panel(
        "Halted channels",
        "1: too many agents failed, and the channel assigns no more versions.",
        "short",
        (Query("max by (channel) (agent_operator_channel_halted)", "{{channel}}"),),
        thresholds=((1, "red"),),
    ),
    Panel(
        "Pods by runtime version",
        "Several versions during an upgrade, or if agents pin theirs.",
        "short",
        (
            Query(
                f"count by (version) (max by (namespace, pod, version) (agent_info{{{_SELECTED}}}))",
                "{{version}}",
            ),
        ),
        stacked=True,
    ),
)
_WORST = (
    _worst(
        "Highest error rate",
        "Agents with the largest share of 5xx in the last 5 minutes.",
        "percentunit",
        of.error_ratio(_SELECTED, by=BY_AGENT, window="5m") + " > 0",
    ),
    _worst(
        "Highest latency (p95)",
        "Agents with the slowest requests in the last 5 minutes.",
        "s",
        of.quantile(0.95, "agent_request_duration_seconds", CALLERS, _SELECTED, by=BY_AGENT, window="5m"),
    ),
    _worst(
        "Most tokens in 24 hours",
        "Agents that used the most tokens.",
        "short",
        f"sum by (namespace, service) (increase(agent_tokens_total{{{_SELECTED}}}[24h]))",
    ),
    Panel(
        "Failing components",
        "Models, memory and MCP servers that at least one pod does not reach.",
        "short",
        (
            Query(
                f"sum by (namespace, service, component) (1 - agent_component_healthy{{{_SELECTED}}}) > 0",
                "{{namespace}}/{{service}} {{component}}",
            ),
        ),
        kind="table",
        width=12,
    ),
    Panel(
        "Pods that Prometheus does not reach",
        "Pods of which no metrics arrive: they are starting, or a NetworkPolicy closes port 9090.",
        "short",
        (
            Query(
                f"(up{{{_SELECTED}}} == 0) and on (namespace, service) group by (namespace, service) "
                f"(last_over_time(agent_info{{{_SELECTED}}}[1d]))",
                "{{namespace}}/{{pod}}",
            ),
        ),
        kind="table",
        width=12,
    ),
)
