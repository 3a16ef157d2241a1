"""Counters and histograms without locks: the exposition is that of prometheus_client."""

import re

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder

from agent_runtime.unlocked_metrics import UnlockedCounter, UnlockedHistogram

BUCKETS = (0.005, 0.5, 1, 2.5, 4**13)
VALUES = (0, 0.004, 0.005, 0.3, 1, 1.5, 2.5, 7, 10**9)
ACCEPT = ("text/plain", "application/openmetrics-text; version=1.0.0")


def exposed(registry: CollectorRegistry, accept: str) -> str:
    """Return the exposition, without the time at which series were created."""
    text = choose_encoder(accept)[0](registry).decode()
    return "\n".join(line for line in text.splitlines() if not re.search(r"_created[{ ]", line))


@pytest.mark.parametrize("accept", ACCEPT)
def test_a_counter_is_exposed_as_one_of_prometheus_client(accept: str) -> None:
    registries = CollectorRegistry(), CollectorRegistry()
    kinds = UnlockedCounter, Counter
    for kind, registry in zip(kinds, registries, strict=True):
        counter = kind("requests", "Requests.", ["route", "code"], registry=registry)
        counter.labels("/x", 200).inc()
        counter.labels("/x", 200).inc(2.5)
        counter.labels('"\\\n', "500").inc(0)

    assert exposed(registries[0], accept) == exposed(registries[1], accept)


@pytest.mark.parametrize("accept", ACCEPT)
def test_a_histogram_is_exposed_as_one_of_prometheus_client(accept: str) -> None:
    """A value that equals a bound is in its bucket. Prometheus expects the bounds as Go writes them."""
    registries = CollectorRegistry(), CollectorRegistry()
    kinds = UnlockedHistogram, Histogram
    for kind, registry in zip(kinds, registries, strict=True):
        histogram = kind("seconds", "Seconds.", ["route"], registry=registry, buckets=BUCKETS)
        for value in VALUES:
            histogram.labels("/x").observe(value)
        histogram.labels("/y").observe(1)

    assert exposed(registries[0], accept) == exposed(registries[1], accept)


def test_a_name_is_registered_once() -> None:
    registry = CollectorRegistry()
    UnlockedCounter("requests", "Requests.", ["route"], registry=registry)

    with pytest.raises(ValueError, match="Duplicated"):
        Counter("requests", "Requests.", ["route"], registry=registry)
