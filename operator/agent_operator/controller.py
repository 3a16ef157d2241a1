"""The operator as a whole: puts the parts together, starts them in order, ends them in order."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from agent_operator import __version__, handlers
from agent_operator.cluster import Cluster
from agent_operator.events import Recorder
from agent_operator.gather import References
from agent_operator.health import HealthServer
from agent_operator.informer import Informer
from agent_operator.kinds import WATCHED
from agent_operator.leader import Elector
from agent_operator.metrics import Labelled, Metrics
from agent_operator.objects import Key, Object
from agent_operator.queue import Queue, Trigger
from agent_operator.reconcile import Reconciler
from agent_operator.settings import Settings
from agent_operator.spec.inputs import Platform
from agent_operator.store import Store
from agent_operator.transport import ApiError, Transport
from agent_operator.workers import Periods, Workers

log = logging.getLogger(__name__)

# A bookmark a minute is the API server's habit, and our streams give up after 90 s: longer means that a loop hangs.
_SILENT_AFTER = 420.0
_DRAIN_SECONDS = 10.0


class Controller:
    """One process of the operator."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = asyncio.get_running_loop().time
        self.metrics = Metrics(__version__)
        self.store = Store(self._clock)
        self.queue = Queue(self._clock)
        self.ready = asyncio.Event()
        self._standby = False
        self._informers: dict[str, Informer] = {}
        self._workers: Workers | None = None
        self.health = HealthServer(settings.listen, self.metrics, self._faults, self._unready)

    async def run(self, stop: asyncio.Event, reclaim_signals: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set.

        Raises:
            LeadershipLost: another leads; the process should end.
            ApiError: the API server refused to tell what it serves.
            ExceptionGroup: a part broke; the process should end and be started anew.
        """
        settings = self._settings
        async with AsyncExitStack() as stack:
            observe = self.metrics.observe_request
            transport = await stack.enter_async_context(Transport(settings.kubeconfig, settings.context, observe))
            await stack.enter_async_context(self.health)
            cluster = Cluster(transport)
            self._build(cluster)
            elector = Elector(cluster, settings.lease_namespace, settings.lease_name, settings.identity, self._clock)
            if settings.leader_election:
                self._standby = True
                if not await _unless(stop, elector.acquire()):
                    return
                self._standby = False
                stack.push_async_callback(elector.release)
            self.metrics.leader.set(1)
            background = [elector.hold()] if settings.leader_election else []
            await self._work(transport, cluster, stop, reclaim_signals, background)

    def _build(self, cluster: Cluster) -> None:
        settings = self._settings
        # With spec.namespace children may be anywhere, whatever namespaces the agents themselves are looked for in.
        scope = () if settings.manage_namespaces else settings.namespaces
        # Pages of lists are what costs most memory: have few of them at a time.
        turn = asyncio.Semaphore(2)
        for kind in WATCHED:
            if kind.namespaced or settings.manage_namespaces:
                self._informers[kind.kind] = Informer(
                    kind, cluster, self.store, namespaces=scope, turn=turn, clock=self._clock
                )
        reconciler = Reconciler(
            store=self.store,
            cluster=cluster,
            references=References(cluster, self._clock, settings.refs_refresh),
            recorder=Recorder(cluster, settings.identity),
            served=self._served,
            namespaces=scope,
            platform=Platform(
                runtime_image=settings.runtime_image,
                manage_namespaces=settings.manage_namespaces,
                allow_unsafe_pod_templates=settings.allow_unsafe_pod_templates,
            ),
            now=_timestamp,
        )
        periods = Periods(settings.resync, settings.refs_refresh)
        self._workers = Workers(self.queue, self.store, reconciler, self.metrics, periods, clock=self._clock)
        self._measure()

    def _measure(self) -> None:
        gauge = self.metrics.gauge
        gauge("agent_operator_queue_depth", "Agents that wait for a worker.", lambda: self.queue.depth)
        gauge("agent_operator_queue_age_seconds", "How long the first of them has waited.", lambda: self.queue.age)
        ages = Labelled(
            "agent_operator_watch_age_seconds", "Since the API server was last heard of on a watch.", "kind", self._ages
        )
        self.metrics.registry.register(ages)
        conditions = Labelled(
            "agent_operator_agents", "Agents of which a condition is true.", "condition", self.store.condition_counts
        )
        self.metrics.registry.register(conditions)

    async def _work(
        self,
        transport: Transport,
        cluster: Cluster,
        stop: asyncio.Event,
        reclaim_signals: Callable[[], None],
        background: Iterable[Coroutine[Any, Any, None]],
    ) -> None:
        workers = self._workers
        if workers is None:
            raise RuntimeError("not built")
        async with _background(
            *background, *(i.run(self._child_changed, self._api_changed) for i in self.informers)
        ) as (broken):
            if not await _unless(stop, self._wait_until_synced(cluster), broken):
                return
            work = asyncio.create_task(workers.run(self._settings.workers), name="workers")
            stop_kopf = asyncio.Event()
            watch = asyncio.create_task(
                handlers.run(self.agent_event, transport, self._settings.namespaces, stop_kopf, reclaim_signals)
            )
            self.ready.set()
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({work, watch, stopped, broken}, return_when=asyncio.FIRST_COMPLETED)
            log.info("stopping", extra={"asked": stop.is_set()})
            workers.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(0 if broken.done() else _DRAIN_SECONDS):
                    await work
            stop_kopf.set()
            stopped.cancel()
            await watch

    async def _wait_until_synced(self, cluster: Cluster) -> None:
        """Decide nothing before everything was seen, and let kopf start only when there is something to watch."""
        for informer in self.informers:
            await informer.synced.wait()
        while not await _answered(cluster.serves_agents()):
            log.warning("the AgentDeployment CRD is not installed: apply it")
            await asyncio.sleep(2)

    @property
    def informers(self) -> tuple[Informer, ...]:
        """The watches of the children."""
        return tuple(self._informers.values())

    def agent_event(self, event: str, obj: Object) -> None:
        """Take in an event of an AgentDeployment."""
        self.metrics.events.inc()
        meta = obj["metadata"]
        before = self.store.agent(Key(meta["namespace"], meta["name"]))
        key = self.store.observe_agent(event, obj)
        if key is not None:
            # Our own status coming back is no reason to end a back-off.
            edited = before is None or before.generation != meta["generation"]
            self.queue.add(key, Trigger.AGENT if edited else Trigger.CHILD)

    def _child_changed(self, key: Key) -> None:
        if self.store.agent(key) is not None:
            self.queue.add(key, Trigger.CHILD)

    def _api_changed(self) -> None:
        for key in self.store.agents:
            self.queue.add(key, Trigger.API)

    def _served(self, kind: str) -> str | None:
        informer = self._informers.get(kind)
        return informer.version if informer else None

    def _ages(self) -> dict[str, float]:
        now = self._clock()
        return {kind: now - informer.seen for kind, informer in self._informers.items()}

    def _faults(self) -> Iterable[str]:
        if self.ready.is_set():
            for kind, age in self._ages().items():
                if age > _SILENT_AFTER:
                    yield f"the watch of {kind} has been silent for {age:.0f} s"
        yield from self._workers.stuck() if self._workers else ()

    def _unready(self) -> Iterable[str]:
        if not self._standby and not self.ready.is_set():
            waiting = [kind for kind, informer in self._informers.items() if not informer.synced.is_set()]
            yield "still to be listed: " + (", ".join(waiting) or "AgentDeployment")


async def _answered(call: Coroutine[Any, Any, bool]) -> bool:
    try:
        return await call
    except ApiError as error:
        log.warning("the API server does not answer", extra={"code": error.code, "reason": error.reason})
        return False


async def _unless(stop: asyncio.Event, call: Coroutine[Any, Any, None], *others: "asyncio.Task[None]") -> bool:
    """Await a call, or give it up when `stop` is set or another future ends. Tells whether it came to its end."""
    task = asyncio.create_task(call)
    stopped = asyncio.create_task(stop.wait())
    waited: set[asyncio.Task[Any]] = {task, stopped, *others}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.wait({task})
    return False


@asynccontextmanager
async def _background(*calls: Coroutine[Any, Any, None]) -> AsyncIterator["asyncio.Task[None]"]:
    """Run what never ends beside the block. Gives a task that is done when one of them broke; its error is raised."""

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(call)

    task = asyncio.create_task(together(), name="background")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
    error = None if task.cancelled() else task.exception()
    if isinstance(error, BaseExceptionGroup):
        # The first is the cause; the others were cancelled for it.
        raise error.exceptions[0]


def _timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
