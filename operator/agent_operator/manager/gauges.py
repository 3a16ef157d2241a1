"""The gauges whose values the parts of the operator compute for each scrape."""

from agent_operator.fleet.channel_controller import ChannelController
from agent_operator.kube.cache import Store
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.workqueue import Queue
from agent_operator.manager.health_checks import HealthChecks
from agent_operator.observability.metrics import Metrics
from agent_operator.reconcile.dry_run import DryRun


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
    gauge, labelled = metrics.gauge, metrics.labelled
    gauge("agent_operator_queue_depth", "Agents that wait for a worker.", lambda: queue.depth)
    waited = "Seconds that the first agent in the queue has waited."
    gauge("agent_operator_queue_age_seconds", waited, lambda: queue.age)
    since = "Seconds since the last answer on a watch. A kind that the API server does not serve has no sample."
    labelled("agent_operator_watch_age_seconds", since, "kind", health_checks.ages)
    dropped = "Events that were not posted since the start, because their object has too many."
    gauge("agent_operator_dropped_events", dropped, lambda: recorder.dropped)
    if dry_run is not None:
        pending = "Agents that the operator would change without --read-only."
        gauge("agent_operator_pending_changes", pending, lambda: dry_run.count(store.agents))
    unreadable = "Objects of the watched kinds that the operator cannot read. Its log has their names."
    labelled("agent_operator_unreadable_objects", unreadable, "kind", store.unreadable.counts)
    labelled("agent_operator_agents", "Agents by condition that is true.", "condition", store.condition_counts)


def measure_fleet(metrics: Metrics, fleet: ChannelController) -> None:
    """Add the gauges of the channels."""
    by_state = "Agents that follow a channel, by state: updated, failed, skipped, rolling or waiting."
    metrics.labelled("agent_operator_channel_agents", by_state, ("channel", "state"), fleet.agent_counts)
    halted = "1 while too many agents failed."
    metrics.labelled("agent_operator_channel_halted", halted, "channel", fleet.halted_channels)
