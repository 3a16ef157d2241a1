"""Accumulates the metrics of canary and stable pods since the analysis of a canary step began."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice

from agent_operator.rollout.analysis.parser import NO_REQUESTS, Sample

# A pass scrapes at most 20 pods of a group.
_MAX_PODS = 1_000


@dataclass(frozen=True, slots=True)
class CounterWindow:
    """The increase of the counters of a group of pods.

    Attributes:
        latest: last sample of each pod, by name of the pod. A deleted pod stays, because its answers still count.
        total: sum of the increases since the first sample of each pod.
    """

    latest: Mapping[str, Sample] = field(default_factory=dict)
    total: Sample = NO_REQUESTS

    def with_samples(self, samples: Mapping[str, Sample]) -> "CounterWindow":
        """Return the window with further samples. The first sample of a pod is only its baseline."""
        total = self.total
        for pod, sample in samples.items():
            if pod in self.latest:
                total += increase(self.latest[pod], sample)
        latest = {**self.latest, **samples}
        return CounterWindow(dict(islice(latest.items(), max(0, len(latest) - _MAX_PODS), None)), total)


@dataclass(frozen=True, slots=True)
class MeasuredStep:
    """The step that a window belongs to: its revision and its index from 0. Another step starts another window."""

    revision: str
    index: int


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """The metrics of a step.

    Attributes:
        seconds: since the window of the step began.
        canary: increase of the counters of the canary pods in that time.
        stable: increase of the counters of the stable pods.
    """

    seconds: float = 0.0
    canary: Sample = NO_REQUESTS
    stable: Sample = NO_REQUESTS


@dataclass(frozen=True, slots=True)
class _StepWindow:
    step: MeasuredStep
    began: float
    canary: CounterWindow
    stable: CounterWindow


class AnalysisWindows:
    """The window of each agent with a canary. In memory only, so that a restart of the operator extends the step."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[str, _StepWindow] = {}

    def observe(
        self, agent: str, step: MeasuredStep, canary: Mapping[str, Sample], stable: Mapping[str, Sample]
    ) -> StepMetrics:
        """Add samples to the window of a step, and return what it has measured so far.

        Args:
            agent: UID of the AgentDeployment.
            step: current step of its canary.
            canary: samples of the canary pods that could be scraped, by name of the pod.
            stable: samples of the stable pods.
        """
        window = self._windows.get(agent)
        if window is None or window.step != step:
            window = _StepWindow(step, self._clock(), CounterWindow(), CounterWindow())
        window = _StepWindow(step, window.began, window.canary.with_samples(canary), window.stable.with_samples(stable))
        self._windows[agent] = window
        return StepMetrics(self._clock() - window.began, window.canary.total, window.stable.total)

    def forget(self, agent: str) -> None:
        """Drop the window of an agent, by its UID."""
        self._windows.pop(agent, None)

    def keep(self, agents: Collection[str]) -> None:
        """Drop the windows of all agents except these, by their UIDs."""
        for removed in self._windows.keys() - set(agents):
            del self._windows[removed]


def increase(before: Sample, after: Sample) -> Sample:
    """Return the increase between two samples of a pod. A counter decreases if its container restarts."""
    known = dict(before.buckets)
    buckets = tuple((bound, count - known.get(bound, 0)) for bound, count in after.buckets)
    increases = (after.requests - before.requests, after.errors - before.errors, after.tokens - before.tokens)
    has_decreased = min((*increases, *(count for _, count in buckets))) < 0
    has_other_bounds = bool(known.keys() - dict(after.buckets).keys())
    return after if has_decreased or has_other_bounds else Sample(*increases, buckets)
