"""Counters and histograms for the event loop's thread only.

Those of prometheus_client lock each value, because any thread may change it. A request changes about ten values, which
would take a twentieth of its CPU time. The exposition is that of prometheus_client, without the time at which a series
was created.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class CounterValue:
    """The value of a counter with certain labels."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add an amount, which is not negative."""
        self.total += amount


class UnlockedCounter(Collector):
    """A counter; see prometheus_client.Counter."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        self._family = (name, documentation)
        self._labels = labels
        self._values: dict[tuple[str, ...], CounterValue] = {}
        registry.register(self)

    def labels(self, *values: object) -> CounterValue:
        """Return the value with these labels."""
        return self._values.setdefault(tuple(map(str, values)), CounterValue())

    def describe(self) -> Iterable[Metric]:
        """Return the family without values."""
        return (CounterMetricFamily(*self._family, labels=self._labels),)

    def collect(self) -> Iterator[Metric]:
        """Yield the family with all values."""
        family = CounterMetricFamily(*self._family, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value.total)
        yield family


class HistogramValue:
    """The observations of a histogram with certain labels."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * len(bounds)
        self.sum = 0.0

    def observe(self, amount: float) -> None:
        """Count an observation in the first bucket whose upper bound is not smaller."""
        self.sum += amount
        self.counts[bisect_left(self._bounds, amount)] += 1

    def buckets(self) -> Iterator[tuple[str, float]]:
        """Yield the upper bounds and the cumulative counts."""
        total = 0
        for bound, count in zip(self._bounds, self.counts, strict=True):
            total += count
            name: str = floatToGoString(bound)  # type: ignore[no-untyped-call]  # prometheus_client has no type here
            yield name, total


class UnlockedHistogram(Collector):
    """A histogram; see prometheus_client.Histogram."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        registry: CollectorRegistry,
        buckets: Sequence[float],
    ) -> None:
        self._family = (name, documentation)
        self._labels = labels
        self._bounds = (*buckets, inf)
        self._values: dict[tuple[str, ...], HistogramValue] = {}
        registry.register(self)

    def labels(self, *values: object) -> HistogramValue:
        """Return the observations with these labels."""
        key = tuple(map(str, values))
        if key not in self._values:
            self._values[key] = HistogramValue(self._bounds)
        return self._values[key]

    def describe(self) -> Iterable[Metric]:
        """Return the family without values."""
        return (HistogramMetricFamily(*self._family, labels=self._labels),)

    def collect(self) -> Iterator[Metric]:
        """Yield the family with all values."""
        family = HistogramMetricFamily(*self._family, labels=self._labels)
        for labels, value in self._values.items():
            found: Any = list(value.buckets())
            family.add_metric(labels, found, value.sum)
        yield family
