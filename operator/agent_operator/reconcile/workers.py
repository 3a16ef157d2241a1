"""Takes agents off the queue, reconciles several at a time, and decides when each is reconciled again."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.kube.transport import ApiError
from agent_operator.kube.workqueue import Item, Queue, Trigger
from agent_operator.observability.metrics import Metrics
from agent_operator.reconcile.context import Result, StaleCacheError
from agent_operator.reconcile.reconciler import Reconciler
from agent_operator.reconcile.step_timer import StepTimer
from agent_operator.tasks import ENDS

log = logging.getLogger(__name__)

EXPENSIVE_SECONDS = 1.0
"""CPU time of a pass after which the agent backs off. A pass normally takes 2 ms, and the largest spec 0.1 s."""
_WARN_AGAIN_SECONDS = 3600.0
# A pass normally takes milliseconds. A longer one is cancelled, because all requests for one agent may hang.
_LONGEST_PASS = 300.0
# Seconds after which a pass that did not end when it was cancelled fails the liveness probe.
_STUCK_AFTER = 600.0
# Seconds after which another worker replaces that of a pass. Such a pass waits for a response and uses no CPU. So
# agents whose requests hang do not occupy all workers. Shorter times would send more requests to a slow API server.
_SLOW_AFTER = 5.0
# Problems after which an agent is reconciled again after a fixed number of seconds. The watch reports when the channel
# assigns a version, but not when the channel halts.
_FIXED_DELAYS: Mapping[str, float] = {Reason.CHANNEL_PENDING: 5.0}


@dataclass(frozen=True, slots=True)
class Periods:
    """Seconds between passes that no event triggers.

    Attributes:
        resync: period of every agent.
        references: period of an agent that refers to objects that are not watched.
    """

    resync: float
    references: float


class Workers:
    """A fixed number of workers, without those whose pass is slow."""

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
        self._slow: set[Key] = set()
        self._idle: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()
        self._draining = False
        self._warned: dict[Key, float] = {}

    def stuck(self) -> Iterable[str]:
        """Yield a message for each pass that takes far too long."""
        now = self._clock()
        for key, since in self._busy.items():
            if now - since > _STUCK_AFTER:
                yield f"the pass over {key} has taken {now - since:.0f} s"

    async def run(self, number: int) -> None:
        """Reconcile agents until `drain` is called and the passes in progress have ended."""
        async with self._group as group:
            for _ in range(number):
                group.create_task(self._work())

    def drain(self) -> None:
        """Start no further passes."""
        self._draining = True
        for task in self._idle:
            task.cancel()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._draining:
            item = await self._next()
            key = item.key
            self._busy[key] = self._clock()
            timer = loop.call_later(_SLOW_AFTER, self._replace, key)
            _name_task(f"agent {key}")
            try:
                await self._process(item)
            except ENDS:
                raise
            except BaseException:
                log.exception("pass failed", extra={"agent": str(key)})
                self._queue.retry(key)
            finally:
                timer.cancel()
                del self._busy[key]
                self._queue.done(key)
            if key in self._slow:
                self._slow.remove(key)
                return

    def _replace(self, key: Key) -> None:
        """Start another worker instead of that of a slow pass."""
        if not self._draining:
            self._slow.add(key)
            self._queue.mark_slow(key)
            self._group.create_task(self._work())

    async def _next(self) -> Item:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a worker is a task")
        self._idle.add(task)
        try:
            return await self._queue.get()
        finally:
            self._idle.discard(task)

    async def _process(self, item: Item) -> None:
        key = item.key
        if item.trigger is Trigger.EXPECTATION and self._store.expectations_met(key):
            return
        if not self._store.begin_pass(key):
            return
        began, timer = self._clock(), StepTimer(self._reconcile(key))
        result = await timer
        next_look = self._store.end_pass(key)
        self._metrics.cpu.observe(timer.total)
        if timer.total > EXPENSIVE_SECONDS:
            result = replace(result, incomplete=True)
            await self._report_expense(key, timer)
        self._metrics.duration.observe(self._clock() - began)
        self._metrics.reconciles.labels(item.trigger, _label(result)).inc()
        self._requeue(key, result, next_look)

    async def _reconcile(self, key: Key) -> Result:
        agent = str(key)
        try:
            async with asyncio.timeout(_LONGEST_PASS):
                return await self._reconciler.reconcile(key)
        except TimeoutError:
            log.warning("pass ended early: it took too long", extra={"agent": agent, "seconds": _LONGEST_PASS})
        except StaleCacheError:
            log.debug("cache is stale", extra={"agent": agent})
        except ApiError as error:
            extra = {"agent": agent, "code": error.code, "reason": error.reason}
            log.warning("pass ended early: the API server failed", extra=extra)
        except ENDS:
            raise
        except BaseException as error:
            # An error of one agent, even a bug, must not stop the others. pydantic's Rust code raises a BaseException.
            log.exception("pass failed", extra={"agent": agent})
            await self._report_error(key, error)
        return Result(incomplete=True)

    async def _report_error(self, key: Key, error: BaseException) -> None:
        kind = type(error).__name__
        message = f"the operator failed with {kind} and tries again: see its log, and report it if the spec is right"
        problem = Problem(Reason.INTERNAL_ERROR, "", message, retry=True)
        try:
            await self._reconciler.report_error(key, problem)
        except ENDS:
            raise
        except BaseException:
            log.exception("failure not reported", extra={"agent": str(key)})

    async def _report_expense(self, key: Key, timer: StepTimer[Result]) -> None:
        self._metrics.expensive.inc()
        extra = {"agent": str(key), "seconds": timer.total, "longest_step": timer.longest}
        log.warning("pass took much CPU time", extra=extra)
        now = self._clock()
        if now - self._warned.get(key, -_WARN_AGAIN_SECONDS) >= _WARN_AGAIN_SECONDS:
            self._warned = {known: at for known, at in self._warned.items() if now - at < _WARN_AGAIN_SECONDS}
            self._warned[key] = now
            await self._reconciler.report_expense(key, timer.total)

    def _requeue(self, key: Key, result: Result, next_look: float | None) -> None:
        """Decide when the agent is reconciled again, unless an event triggers the next pass earlier.

        Args:
            key: the agent.
            result: how the pass ended.
            next_look: seconds after which the cache needs another pass, because of expectations or missed events.
        """
        if _backs_off(result):
            self._queue.retry(key)
        else:
            self._queue.forget(key)
        if self._store.agent(key) is None:
            return
        if next_look is not None:
            self._queue.add_after(key, next_look, Trigger.EXPECTATION if next_look else Trigger.CHILD)
        delay = _FIXED_DELAYS.get(result.blocked.reason) if result.blocked else result.requeue_after
        if delay is not None:
            self._queue.add_after(key, delay, Trigger.ROLLOUT)
        if result.references:
            self._queue.add_after(key, self._queue.jittered(self._periods.references), Trigger.REFERENCE)
        self._queue.add_after(key, self._queue.jittered(self._periods.resync), Trigger.RESYNC)


def _name_task(name: str) -> None:
    """Name the current task, so that the watchdog can name the agent."""
    if (task := asyncio.current_task()) is not None:
        task.set_name(name)


def _backs_off(result: Result) -> bool:
    """Return whether to retry with backoff."""
    if result.incomplete:
        return True
    if result.invalid is not None:
        # An edit of the spec triggers the next pass.
        return result.invalid.retry
    # What blocks an agent may be solved by a change that no watch reports, even where `retry` is false.
    return result.blocked is not None and result.blocked.reason not in _FIXED_DELAYS


def _label(result: Result) -> str:
    if _backs_off(result):
        return "failed"
    return "changed" if result.status_changed else "unchanged"
