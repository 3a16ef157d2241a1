"""Looks at the pods of every agent from time to time, and queues the agent if there is something to report.

A pass only reads what the last look has found, so that it never waits for a pod. While nothing is wrong, a look sends
one request to each of a few pods, and none to the API server.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent_operator.diagnosis.findings import UNKNOWN, Diagnosis, PodReport, merge
from agent_operator.diagnosis.inspector import Inspector, PodStates, RunningPod, StartingPod
from agent_operator.diagnosis.usage import merge_usage
from agent_operator.kube.objects import Key
from agent_operator.kube.workqueue import Queue, Trigger
from agent_operator.tasks import ENDS

log = logging.getLogger(__name__)

# Agents that are looked at concurrently. Namespaces take turns, so that pods that do not respond delay no others.
_WORKERS = 16
# Looks per second in all. With more agents, each is looked at less often.
_MOST_PER_SECOND = 50.0
# Pods of an agent in one look. The next look takes the next ones.
_PODS = 3
# Pods of an agent whose last report is kept.
_MOST_REPORTS = 16
# Seconds. A pod usually starts within the first, so that its Events are never read.
_FIRST_LOOK_STARTING = 2.0
_SOON = 0.5
# While pods are not ready, the time between two looks grows with the time since the change: a quarter of it.
_SHORTEST, _LONGEST = 1.0, 30.0
# Limit of the back-off if no pod responds.
_LONGEST_SILENT = 300.0
# Looks without a response before it is reported.
_SILENT_LOOKS = 3
# Seconds in which new pods need not respond, because their containers start or pull their images.
_START_SECONDS = 60.0


@dataclass(slots=True)
class _Watched:
    """What the monitor knows of an agent.

    Attributes:
        namespace: namespace of the pods.
        pods: the pods of the last pass.
        serves: whether enough of them are ready.
        since: when these changed.
        diagnosis: the result of the last look.
        reports: the last report of each pod.
        silent: looks in succession without a response.
        looks: number of looks.
    """

    namespace: str
    pods: PodStates
    serves: bool
    since: float
    diagnosis: Diagnosis = UNKNOWN
    reports: dict[str, PodReport] = field(default_factory=dict)
    silent: int = 0
    looks: int = 0


class PodMonitor:
    """Keeps a diagnosis of the pods of each agent in memory."""

    def __init__(
        self,
        inspector: Inspector,
        *,
        exists: Callable[[Key], bool],
        changed: Callable[[Key], None],
        clock: Callable[[], float],
        period: float,
    ) -> None:
        """Create a monitor.

        Args:
            inspector: looks at pods.
            exists: returns whether an agent exists.
            changed: receives an agent whose diagnosis differs from the last one.
            clock: monotonic, in seconds.
            period: seconds between two looks at an agent whose pods are ready and healthy.
        """
        self._inspector = inspector
        self._exists = exists
        self._changed = changed
        self._clock = clock
        self._period = period
        self._queue = Queue(clock, workers=_WORKERS)
        self._watched: dict[Key, _Watched] = {}

    def diagnosis(self, key: Key) -> Diagnosis:
        """Return the result of the last look at an agent."""
        watched = self._watched.get(key)
        return watched.diagnosis if watched is not None else UNKNOWN

    def note(self, key: Key, namespace: str, found: Iterable[Mapping[str, Any]], *, serves: bool) -> None:
        """Record the pods that a pass has found, and look at them soon if they changed.

        Args:
            key: the agent.
            namespace: namespace of the pods.
            found: the pods, trimmed, in the order of their names.
            serves: whether enough of them are ready.
        """
        current = [pod for pod in found if not pod.get("ended")]
        if not current:
            self.forget(key)
            return
        pods = _states(current)
        known = self._watched.get(key)
        if known is not None and (known.pods, known.serves, known.namespace) == (pods, serves, namespace):
            return
        now = self._clock()
        if known is None:
            self._watched[key] = _Watched(namespace, pods, serves, now)
        else:
            self._watched[key] = replace(known, namespace=namespace, pods=pods, serves=serves, since=now, silent=0)
        self._queue.add_after(key, self._first_delay(pods, serves=serves, is_new=known is None), Trigger.HEALTH)

    def forget(self, key: Key) -> None:
        """Forget an agent that has no pods, or was deleted."""
        self._watched.pop(key, None)

    async def run(self) -> None:
        """Look at agents until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            item = await self._queue.get()
            try:
                await self._look(item.key)
            except ENDS:
                raise
            except BaseException:
                log.exception("the pods were not looked at", extra={"agent": str(item.key)})
                self._queue.add_after(item.key, _LONGEST_SILENT, Trigger.HEALTH)
            finally:
                self._queue.done(item.key)

    async def _look(self, key: Key) -> None:
        watched = self._watched.get(key)
        if watched is None or not self._exists(key):
            self.forget(key)
            return
        diagnosis = await self._diagnose(watched)
        if self._watched.get(key) is not watched:
            # The pods have changed in the meantime, which has queued the agent again.
            return
        watched.looks += 1
        if diagnosis.differs(watched.diagnosis):
            watched.diagnosis = diagnosis
            self._changed(key)
        self._queue.add_after(key, self._delay(watched), Trigger.HEALTH)

    async def _diagnose(self, watched: _Watched) -> Diagnosis:
        pods, failure = watched.pods, None
        if pods.starting:
            failure = await self._inspector.start_failure(watched.namespace, pods.starting[0])
        found = await self._inspector.reports(_next(pods.running, watched.looks))
        answers = {name: report for name, report in found.items() if not isinstance(report, str)}
        names = {pod.name for pod in pods.running}
        kept = {name: report for name, report in watched.reports.items() if name in names and name not in found}
        # Reports with faults or the highest usage come first, so that those of many other pods do not displace them.
        newest = sorted((answers | kept).items(), key=lambda report: _rank(report[1]))
        watched.reports = dict(newest[:_MOST_REPORTS])
        reports = [report for _, report in sorted(watched.reports.items())]
        is_expected = not watched.serves and self._clock() - watched.since < _START_SECONDS
        watched.silent = 0 if watched.reports or not found or is_expected else watched.silent + 1
        return Diagnosis(
            components=merge(report.faults for report in reports) if reports else None,
            unknown=_first_error(found) if watched.silent >= _SILENT_LOOKS else "",
            failure=failure,
            is_complete=True,
            usage=merge_usage(report.usage for report in reports) if reports else None,
        )

    def _first_delay(self, pods: PodStates, *, serves: bool, is_new: bool) -> float:
        if not serves:
            return _FIRST_LOOK_STARTING if pods.starting else _SHORTEST
        # After a restart of the operator, the first looks at all agents are spread over the period.
        return self._queue.jittered(_SOON) if not is_new else self._spread()

    def _spread(self) -> float:
        return (self._queue.jittered(1.0) - 1) * 5 * self._bounded(self._period)

    def _delay(self, watched: _Watched) -> float:
        if watched.silent > _SILENT_LOOKS:
            longest = self._period * 2 ** min(watched.silent - _SILENT_LOOKS, 8)
            return self._queue.jittered(self._bounded(min(_LONGEST_SILENT, longest)))
        if not watched.serves or watched.pods.starting:
            return self._bounded(min(max((self._clock() - watched.since) / 4, _SHORTEST), _LONGEST))
        is_healthy = not watched.diagnosis.components
        return self._queue.jittered(self._bounded(self._period if is_healthy else self._period / 3))

    def _bounded(self, seconds: float) -> float:
        """Return a longer time if there are so many agents that the looks would be too many."""
        return max(seconds, len(self._watched) / _MOST_PER_SECOND)


def _states(pods: Sequence[Mapping[str, Any]]) -> PodStates:
    """Return the states of trimmed pods. The status of a pod with a failure already says why it does not start."""
    waiting = [pod["metadata"] for pod in pods if not (pod.get("ip") or pod.get("failure"))]
    starting = [StartingPod(meta["name"], meta.get("uid", "")) for meta in waiting]
    running = [RunningPod(pod["metadata"]["name"], pod["ip"]) for pod in pods if pod.get("ip")]
    return PodStates(tuple(starting), tuple(running))


def _next(pods: tuple[RunningPod, ...], looks: int) -> tuple[RunningPod, ...]:
    """Return the pods of this look, in turn."""
    if len(pods) <= _PODS:
        return pods
    first = looks * _PODS % len(pods)
    return (*pods, *pods)[first : first + _PODS]


def _rank(report: PodReport) -> tuple[bool, int]:
    return not report.faults, -max((use.percent for use in report.usage), default=0)


def _first_error(found: dict[str, PodReport | str]) -> str:
    name, error = min((name, error) for name, error in found.items() if isinstance(error, str))
    return f"pod {name} {error}: let the namespace of the operator reach the metrics port of the pods"
