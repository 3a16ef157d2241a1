"""Alerts about the operator."""

from collections.abc import Iterator

from agent_operator.monitoring import expressions as of
from agent_operator.monitoring.rules import Alert


def alerts() -> tuple[Alert, ...]:
    """Return the alerts about the operator: whether it works, and what it reports about agents and channels."""
    return (*_availability(), *_work(), *_agents())


def _availability() -> Iterator[Alert]:
    yield Alert(
        "AgentOperatorDown",
        "absent(agent_operator_info)",
        "10m",
        "critical",
        "Prometheus has no metrics of the operator",
        "No replica runs, or Prometheus does not reach port 8080. Agents keep running, but nothing repairs or changes "
        "them.",
    )
    yield Alert(
        "AgentOperatorNoLeader",
        "sum by (namespace) (agent_operator_leader) == 0",
        "10m",
        "critical",
        "No replica of the operator in {{ $labels.namespace }} is the leader",
        "The replicas run but none works: the API server is unreachable, or another process holds the Lease.",
    )
    yield Alert(
        "AgentOperatorWatchStale",
        "max by (namespace, kind) (agent_operator_watch_age_seconds) > 420",
        "5m",
        "critical",
        "The operator in {{ $labels.namespace }} gets no answers on its watch of {{ $labels.kind }}",
        "Every watch is renewed within five minutes. The operator acts on an old state.",
    )


def _work() -> Iterator[Alert]:
    total = of.total(("namespace",), of.rate("agent_operator_reconcile_total", window="15m"))
    failed = of.total(("namespace",), of.rate("agent_operator_reconcile_total", 'outcome="failed"', window="15m"))
    yield Alert(
        "AgentOperatorReconcileErrors",
        f"{failed} / {total} > 0.1",
        "15m",
        "warning",
        "{{ $value | humanizePercentage }} of the reconcile passes in {{ $labels.namespace }} fail",
        "The log of the leader and the conditions of the agents have the errors.",
    )
    yield Alert(
        "AgentOperatorQueueStuck",
        "max by (namespace) (agent_operator_queue_age_seconds) > 60",
        "10m",
        "warning",
        "An agent has waited {{ $value | humanizeDuration }} for a worker",
        "The workers are busy: passes are slow, or the API server limits the operator.",
    )
    requests = "agent_operator_api_requests_total"
    every = of.total(("namespace",), of.rate(requests, window="5m"))
    refused = of.total(("namespace",), of.rate(requests, 'code=~"429|5.."', window="5m"))
    yield Alert(
        "AgentOperatorApiErrors",
        f"{refused} / {every} > 0.1",
        "10m",
        "warning",
        "The API server fails {{ $value | humanizePercentage }} of the requests of the operator",
        "The answers are 429 or 5xx: the API server is overloaded or a webhook fails.",
    )
    blocked = of.total(("namespace", "pod"), of.rate("agent_operator_event_loop_blocked_seconds_sum", window="5m"))
    yield Alert(
        "AgentOperatorBlocked",
        f"{blocked} > 0.2",
        "10m",
        "warning",
        "The event loop of {{ $labels.pod }} is blocked {{ $value | humanizePercentage }} of the time",
        "The log has the stack. The process has too little CPU, or an agent is very large.",
    )
    failures = "increase(agent_operator_part_failures_total[15m])"
    yield Alert(
        "AgentOperatorPartFailing",
        f"sum by (namespace, part) ({failures}) > 3",
        "5m",
        "warning",
        "A part of the operator in {{ $labels.namespace }} fails again and again: {{ $labels.part }}",
        "It restarts after each failure. The log has the error.",
    )


def _agents() -> Iterator[Alert]:
    yield Alert(
        "AgentsStalled",
        'sum by (namespace) (agent_operator_agents{condition="Stalled"}) > 0',
        "15m",
        "warning",
        "{{ $value }} agents are stalled",
        "They wait for a correction of their spec or of what it references. kubectl get agd -A shows them.",
    )
    yield Alert(
        "AgentOperatorUnreadableObjects",
        "sum by (namespace, kind) (agent_operator_unreadable_objects) > 0",
        "15m",
        "warning",
        "The operator cannot read {{ $value }} objects of kind {{ $labels.kind }}",
        "The log has their names. It leaves them and their agents as they are.",
    )
    yield Alert(
        "AgentRuntimeChannelHalted",
        "max by (namespace, channel) (agent_operator_channel_halted) > 0",
        "0m",
        "warning",
        "The channel {{ $labels.channel }} halted",
        "Too many agents failed with its version. No further agent gets it.",
    )
