"""The gauges whose values the parts of the operator compute for each scrape."""

from agent_operator.fleet.channel_controller import ChannelController
from agent_operator.kube.cache import Store
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.workqueue import Queue
from agent_operator.manager.health_checks import HealthChecks
from agent_operator.observability.metrics import Definition, Metrics
from agent_operator.reconcile.dry_run import DryRun

QUEUE_DEPTH = Definition("agent_operator_queue_depth", "Agents that wait for a worker.")
QUEUE_AGE = Definition("agent_operator_queue_age_seconds", "Seconds that the first agent in the queue has waited.")
WATCH_AGE = Definition(
    "agent_operator_watch_age_seconds",
    "Seconds since the last answer on a watch. A kind that the API server does not serve has no sample.",
    ("kind",),
)
DROPPED_EVENTS = Definition(
    "agent_operator_dropped_events", "Events that were not posted since the start, because their object has too many."
)
PENDING_CHANGES = Definition(
    "agent_operator_pending_changes",
    "Agents that the operator would change without --read-only. Exists only with this option.",
)
UNREADABLE = Definition(
    "agent_operator_unreadable_objects",
    "Objects of the watched kinds that the operator cannot read. Its log has their names.",
    ("kind",),
)
AGENTS = Definition("agent_operator_agents", "Agents by condition that is true.", ("condition",))
CHANNEL_AGENTS = Definition(
    "agent_operator_channel_agents",
    "Agents that follow a channel, by state: updated, failed, skipped, rolling or waiting.",
    ("channel", "state"),
)
CHANNEL_HALTED = Definition("agent_operator_channel_halted", "1 while too many agents failed.", ("channel",))
ALL = (
    *(QUEUE_DEPTH, QUEUE_AGE, WATCH_AGE, DROPPED_EVENTS, PENDING_CHANGES, UNREADABLE, AGENTS),
    *(CHANNEL_AGENTS, CHANNEL_HALTED),
)


def measure(
    metrics: Metrics,
    *,
    queue: Queue,
    health_checks: HealthChecks,
    store: Store,
    recorder: EventRecorder,
    dry_run: DryRun | None,
) -> None:
    """Add the gauges of the queue, the watches, the Events and the agents."""
    metrics.gauge(QUEUE_DEPTH, lambda: queue.depth)
    metrics.gauge(QUEUE_AGE, lambda: queue.age)
    metrics.labelled(WATCH_AGE, health_checks.ages)
    metrics.gauge(DROPPED_EVENTS, lambda: recorder.dropped)
    if dry_run is not None:
        metrics.gauge(PENDING_CHANGES, lambda: dry_run.count(store.agents))
    metrics.labelled(UNREADABLE, store.unreadable.counts)
    metrics.labelled(AGENTS, store.condition_counts)


def measure_fleet(metrics: Metrics, fleet: ChannelController) -> None:
    """Add the gauges of the channels."""
    metrics.labelled(CHANNEL_AGENTS, fleet.agent_counts)
    metrics.labelled(CHANNEL_HALTED, fleet.halted_channels)
