"""What the pods of each canary have answered since its step began, as far as this process has looked."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from agent_operator.rollout.analysis.parser import NO_REQUESTS, Sample
from agent_operator.rollout.analysis.thresholds import CounterWindow


@dataclass(frozen=True, slots=True)
class MeasuredStep:
    """A step of a canary: what is measured anew when any of it changes; `index` is from 0."""

    revision: str
    index: int


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """What was seen of a step.

    Attributes:
        seconds: since this process first looked.
        canary: what the canary's pods have done in that time.
        stable: what the stable pods have done.
    """

    seconds: float = 0.0
    canary: Sample = NO_REQUESTS
    stable: Sample = NO_REQUESTS


@dataclass(frozen=True, slots=True)
class _Watch:
    step: MeasuredStep
    began: float
    canary: CounterWindow
    stable: CounterWindow


class AnalysisWindows:
    """One window an agent, in memory only: after a restart of the operator it begins anew, and so takes longer."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._watches: dict[str, _Watch] = {}

    def observe(
        self, agent: str, step: MeasuredStep, canary: Mapping[str, Sample], stable: Mapping[str, Sample]
    ) -> StepMetrics:
        """Take in what pods say now, by their names, and return what they did; another step begins a new window.

        Args:
            agent: uid of the AgentDeployment.
            step: of its canary.
            canary: what the canary's pods say; those that did not answer are left out.
            stable: what the stable pods say.
        """
        watch = self._watches.get(agent)
        if watch is None or watch.step != step:
            watch = _Watch(step, self._clock(), CounterWindow(), CounterWindow())
        watch = _Watch(step, watch.began, watch.canary.with_samples(canary), watch.stable.with_samples(stable))
        self._watches[agent] = watch
        return StepMetrics(self._clock() - watch.began, watch.canary.total, watch.stable.total)

    def forget(self, agent: str) -> None:
        """Forget an agent's window: its canary is over, or it must be measured anew."""
        self._watches.pop(agent, None)

    def keep(self, agents: Collection[str]) -> None:
        """Forget all agents but these, by their uids."""
        for gone in self._watches.keys() - set(agents):
            del self._watches[gone]
