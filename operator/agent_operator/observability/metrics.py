"""Prometheus metrics of the operator."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Definition:
    """Name, help text and labels of a metric."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


class Metrics:
    """The metrics in their own registry."""

    def __init__(self, version: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.reconciles = Counter(
            "agent_operator_reconcile",
            "Reconcile passes by trigger and outcome: unchanged, changed or failed.",
            ["trigger", "outcome"],
            registry=registry,
        )
        self.duration = Histogram(
            "agent_operator_reconcile_duration_seconds",
            "Duration of a reconcile pass in seconds.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.cpu = Histogram(
            "agent_operator_reconcile_cpu_seconds",
            "CPU time of a reconcile pass in the event loop, in seconds.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.expensive = Counter(
            "agent_operator_reconcile_expensive",
            "Reconcile passes that took too much CPU time. The log and an Event name the agent.",
            registry=registry,
        )
        self.blocked = Histogram(
            "agent_operator_event_loop_blocked_seconds",
            "How long the event loop was blocked, for each time longer than 0.1 s. The log has the stack.",
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.requests = Counter(
            "agent_operator_api_requests",
            "Requests to the API server by verb, kind and HTTP status, without those of kopf.",
            ["verb", "kind", "code"],
            registry=registry,
        )
        self.events = Counter("agent_operator_watch_events", "Watch events of AgentDeployments.", registry=registry)
        self.part_failures = Counter(
            "agent_operator_part_failures",
            "Failures of a part of the operator, such as the watch of a kind, which then restarts.",
            ["part"],
            registry=registry,
        )
        self.leader = Gauge("agent_operator_leader", "1 while this replica is the leader.", registry=registry)
        info = Gauge("agent_operator_info", "Version of the operator. Always 1.", ["version"], registry=registry)
        info.labels(version).set(1)

    def gauge(self, definition: Definition, value: Callable[[], float]) -> None:
        """Add a gauge whose value is computed for each scrape."""
        Gauge(definition.name, definition.text, registry=self.registry).set_function(value)

    def labelled(self, definition: Definition, values: Callable[[], Mapping[Any, float]]) -> None:
        """Add a gauge with labels whose values are computed for each scrape. For several labels, keys are tuples."""
        self.registry.register(Labelled(definition, values))

    def observe_request(self, verb: str, kind: str, code: str) -> None:
        """Count a request to the API server."""
        self.requests.labels(verb, kind, code).inc()

    def exposition(self) -> tuple[bytes, str]:
        """Return all metrics as OpenMetrics text, and the content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]  # untyped upstream


class Labelled(Collector):
    """A gauge with labels whose values are computed for each scrape."""

    def __init__(self, definition: Definition, values: Callable[[], Mapping[Any, float]]) -> None:
        self._definition, self._values = definition, values

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the current values."""
        family = GaugeMetricFamily(self._definition.name, self._definition.text, labels=self._definition.labels)
        for value, number in self._values().items():
            family.add_metric([value] if isinstance(value, str) else value, number)
        yield family
