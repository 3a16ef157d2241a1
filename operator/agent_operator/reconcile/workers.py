"""Takes agents off the queue and has them reconciled, several at a time."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.kube.transport import ApiError
from agent_operator.kube.workqueue import Item, Queue, Trigger
from agent_operator.observability.metrics import Metrics
from agent_operator.reconcile.context import Outcome
from agent_operator.reconcile.reconciler import Reconciler

log = logging.getLogger(__name__)

# A pass is some twenty requests of at most 30 s each; normally it takes milliseconds.
_STUCK_AFTER = 600.0


@dataclass(frozen=True, slots=True)
class Periods:
    """Seconds between looks that nothing triggered."""

    resync: float
    references: float


class Workers:
    """A fixed number of workers."""

    def __init__(
        self,
        queue: Queue,
        store: Store,
        reconciler: Reconciler,
        metrics: Metrics,
        periods: Periods,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._store = store
        self._reconciler = reconciler
        self._metrics = metrics
        self._periods = periods
        self._clock = clock
        self._busy: dict[Key, float] = {}
        self._idle: set[asyncio.Task[None]] = set()
        self._draining = False

    def stuck(self) -> Iterable[str]:
        """Tell which passes take far too long."""
        now = self._clock()
        for key, since in self._busy.items():
            if now - since > _STUCK_AFTER:
                yield f"the pass over {key.namespace}/{key.name} has taken {now - since:.0f} s"

    async def run(self, number: int) -> None:
        """Work until `drain` is called and the passes then under way have ended."""
        async with asyncio.TaskGroup() as group:
            for _ in range(number):
                group.create_task(self._work())

    def drain(self) -> None:
        """Begin no further pass."""
        self._draining = True
        for task in self._idle:
            task.cancel()

    async def _work(self) -> None:
        while not self._draining:
            item = await self._next()
            self._busy[item.key] = self._clock()
            try:
                await self._look_at(item)
            finally:
                del self._busy[item.key]
                self._queue.done(item.key)

    async def _next(self) -> Item:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a worker is a task")
        self._idle.add(task)
        try:
            return await self._queue.get()
        finally:
            self._idle.discard(task)

    async def _look_at(self, item: Item) -> None:
        key = item.key
        if item.trigger is Trigger.EXPECTATION and self._store.expectations_met(key):
            return
        if not self._store.begin_pass(key):
            return
        began = self._clock()
        outcome = Outcome(failed=True)
        try:
            outcome = await self._reconciler.reconcile(key)
        except ApiError as error:
            extra = {"agent": f"{key.namespace}/{key.name}", "code": error.code, "reason": error.reason}
            log.warning("pass cut short, for the API server is in trouble", extra=extra)
        except Exception:
            # One agent's trouble, a bug included, must not stop the others.
            log.exception("pass failed", extra={"agent": f"{key.namespace}/{key.name}"})
        again = self._store.end_pass(key)
        self._metrics.duration.observe(self._clock() - began)
        self._metrics.reconciles.labels(item.trigger, _name(outcome)).inc()
        self._plan_next(key, outcome, again)

    def _plan_next(self, key: Key, outcome: Outcome, again: float | None) -> None:
        if outcome.failed:
            self._queue.retry(key)
        else:
            self._queue.forget(key)
        if self._store.agent(key) is None:
            return
        if again is not None:
            self._queue.add_after(key, again, Trigger.EXPECTATION if again else Trigger.CHILD)
        if outcome.wait is not None:
            self._queue.add_after(key, outcome.wait, Trigger.ROLLOUT)
        if outcome.refers:
            self._queue.add_after(key, self._queue.jittered(self._periods.references), Trigger.REFERENCE)
        self._queue.add_after(key, self._queue.jittered(self._periods.resync), Trigger.RESYNC)


def _name(outcome: Outcome) -> str:
    if outcome.failed:
        return "failed"
    return "changed" if outcome.wrote else "unchanged"
