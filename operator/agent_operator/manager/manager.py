"""Puts the parts of the operator together, and starts and stops them in order."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

from agent_operator import __version__
from agent_operator.api import constants, image_reference
from agent_operator.diagnosis.monitor import PodMonitor
from agent_operator.diagnosis.pod_client import PodClient
from agent_operator.fleet.assigned_version import resolve_version
from agent_operator.fleet.channel_cache import ChannelCache
from agent_operator.fleet.channel_controller import ChannelController
from agent_operator.kube.agent_watch import AgentWatch
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.discovery import Discovery
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.informer import Informer
from agent_operator.kube.lease_thread import TIMEOUT, LeaseThread
from agent_operator.kube.objects import LISTED, Key, Object
from agent_operator.kube.reachability import Reachability
from agent_operator.kube.resources import BY_NAME, CHANNEL, WATCHED
from agent_operator.kube.transport import Transport
from agent_operator.kube.workqueue import Queue
from agent_operator.manager.gauges import measure, measure_fleet
from agent_operator.manager.health_checks import HealthChecks
from agent_operator.observability.health import HealthServer
from agent_operator.observability.metrics import Metrics
from agent_operator.observability.watchdog import Watchdog
from agent_operator.reconcile.dry_run import DryRun
from agent_operator.reconcile.factory import make_monitor, make_reconciler, platform, timestamp
from agent_operator.reconcile.reconciler import Reconciler
from agent_operator.reconcile.triggers import Triggers
from agent_operator.reconcile.workers import Periods, Workers
from agent_operator.rollout.analysis.client import Scraper
from agent_operator.rollout.planner import RolloutPlanner
from agent_operator.sandbox.sandbox import Sandbox
from agent_operator.settings import Settings
from agent_operator.tasks import background, restarted, unless

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 10.0


class Manager:
    """One process of the operator."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = asyncio.get_running_loop().time
        self.metrics = Metrics(__version__)
        self.store = Store(self._clock)
        self.queue = Queue(self._clock, workers=settings.workers)
        self.ready = asyncio.Event()
        self._triggers = Triggers(self.store, self.queue)
        self._informers: dict[str, Informer] = {}
        self._reachability = Reachability(self._clock)
        self._health_checks = HealthChecks(self._reachability, self._informers, self._clock)
        self._lease = self._lease_thread() if settings.elects else None
        self._scraper, self._pods, self._sandbox = Scraper(), PodClient(), Sandbox(self._clock)
        self._monitor: PodMonitor | None = None
        self._dry_run = DryRun() if settings.read_only else None
        self._channels = ChannelCache(self.store.unreadable)
        self._fleet: ChannelController | None = None
        self._workers: Workers | None = None
        self.health = HealthServer(settings.listen, self.metrics, self._health_checks.dead, self._health_checks.unready)

    async def run(self, stop: asyncio.Event, reclaim_signals: Callable[[], None] = lambda: None) -> None:
        """Run the operator until `stop` is set.

        Args:
            stop: event that ends the process.
            reclaim_signals: sets the signal handlers again, after kopf has replaced them.

        Raises:
            LeadershipLost: another replica leads. The process should end.
            ApiError: discovery failed.
            Exception: a part failed. The process should be restarted.
        """
        settings, lease = self._settings, self._lease
        async with AsyncExitStack() as stack:
            fences = (lease.fence.middleware,) if lease else ()
            transport = await stack.enter_async_context(self._transport(innermost=fences))
            stack.enter_context(Watchdog(self.metrics.blocked.observe))
            if insecurity := transport.insecurity:
                log.warning(insecurity, extra={"server": transport.server})
            await stack.enter_async_context(self.health)
            stack.push_async_callback(self._scraper.close)
            stack.push_async_callback(self._sandbox.close)
            stack.push_async_callback(self._pods.close)
            cluster, discovery = Cluster(transport), Discovery(transport)
            self._build(cluster, discovery)
            agents = AgentWatch(self.agent_event, discovery, transport, settings.namespaces, self._clock)
            self._health_checks.agents = agents
            if lease is not None:
                self._health_checks.lease, self._health_checks.standby = lease, True
                stack.push_async_callback(lease.release)
                if not await unless(stop, lease.acquire()):
                    return
                self._health_checks.standby = False
            self.metrics.leader.set(not settings.read_only)
            await self._work(agents, stop, reclaim_signals)

    def _transport(self, **options: Any) -> Transport:
        given, observe, reached = self._settings, self.metrics.observe_request, self._reachability
        options = {"read_only": given.read_only, "reachability": reached, **options}
        return Transport(given.kubeconfig, given.context, observe, **options)

    def _lease_thread(self) -> LeaseThread:
        given = self._settings
        connect = partial(self._transport, timeout=TIMEOUT)
        return LeaseThread(connect, given.lease_namespace, given.lease_name, given.identity, self._clock)

    def _build(self, cluster: Cluster, discovery: Discovery) -> None:
        settings = self._settings
        # Children may be in the namespace of spec.namespace, which need not be one where the operator watches agents.
        scope = () if settings.manage_namespaces else settings.namespaces
        # Pages of lists need the most memory, so read only a few at a time.
        informer = partial(Informer, cluster, discovery, list_slots=asyncio.Semaphore(2), clock=self._clock)
        for kind in WATCHED:
            if kind.namespaced or settings.manage_namespaces:
                self._informers[kind.kind] = informer(kind, self.store, namespaces=scope)
        recorder = EventRecorder(cluster, settings.identity)
        if not settings.namespaces:
            self._informers[CHANNEL.kind] = informer(CHANNEL, self._channels, namespaces=(), selector="")
            self._fleet = None if settings.read_only else self._channel_controller(cluster, recorder)
        reconciler = self._reconciler(cluster, recorder, scope)
        periods = Periods(settings.resync, settings.refs_refresh)
        workers = Workers(self.queue, self.store, reconciler, self.metrics, periods, clock=self._clock)
        self._workers = self._health_checks.workers = workers
        measure(
            self.metrics,
            queue=self.queue,
            health_checks=self._health_checks,
            store=self.store,
            recorder=recorder,
            dry_run=self._dry_run,
        )

    def _reconciler(self, cluster: Cluster, recorder: EventRecorder, scope: Collection[str]) -> Reconciler:
        refresh = self._settings.health_refresh
        self._monitor = make_monitor(cluster, self._pods, self.store, self.queue, self._clock, refresh)
        return make_reconciler(
            store=self.store,
            cluster=cluster,
            recorder=recorder,
            rollout_planner=RolloutPlanner(cluster, self._scraper, self._clock),
            resolve_version=lambda agent: resolve_version(agent, self._channels.get),
            served=self._served,
            platform=platform(self._settings),
            namespaces=scope,
            references_lifetime=self._settings.refs_refresh,
            clock=self._clock,
            now=timestamp,
            sandbox=self._sandbox,
            monitor=self._monitor,
            dry_run=self._dry_run,
        )

    def _channel_controller(self, cluster: Cluster, recorder: EventRecorder) -> ChannelController:
        fleet = ChannelController(
            channels=self._channels,
            store=self.store,
            cluster=cluster,
            recorder=recorder,
            on_agent_written=lambda agent: self._triggers.agent_event(LISTED, agent),
            default_image=image_reference.parse(self._settings.runtime_image).repository,
        )
        measure_fleet(self.metrics, fleet)
        return fleet

    async def _work(self, agents: AgentWatch, stop: asyncio.Event, reclaim_signals: Callable[[], None]) -> None:
        workers = self._workers
        if workers is None:
            raise RuntimeError("the manager is not built")
        leading = [self._lease.hold()] if self._lease else []
        async with background(*leading, *self._parts()) as broken:
            if not await unless(stop, self._wait_until_synced(agents, stop), broken) or stop.is_set():
                return
            stop_kopf = asyncio.Event()
            start = partial(agents.run, stop_kopf, reclaim_signals, self.store.forget_all)
            watch = asyncio.create_task(restarted(constants.KIND, start, self._part_failed))
            await self._reconcile_until_stopped(workers, stop, watch, broken)
            stop_kopf.set()
            # It may be waiting for its restart after a failure.
            with suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await watch

    def _parts(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Yield what runs until the process ends: the informers, the controller of the channels, and the monitor."""
        if self._fleet is not None:
            run = partial(self._fleet.run, self._informers[CHANNEL.kind].synced)
            yield restarted("channels", run, self._part_failed)
        if self._monitor is not None and self._dry_run is None:
            yield restarted("health", self._monitor.run, self._part_failed)
        handlers = {CHANNEL.kind: self._channel_changed}
        for kind, informer in self._informers.items():
            handler = handlers.get(kind, self._triggers.child_changed)
            yield restarted(kind, partial(informer.run, handler, self._triggers.api_changed), self._part_failed)

    def _part_failed(self, part: str, error: BaseException) -> None:
        self.metrics.part_failures.labels(part).inc()
        if part in self._informers:
            self._informers[part].heartbeat.fail(type(error).__name__)

    async def _reconcile_until_stopped(
        self, workers: Workers, stop: asyncio.Event, watch: "asyncio.Task[None]", broken: "asyncio.Task[None]"
    ) -> None:
        """Run the workers until `stop` is set or another part ends. Then let the passes in progress end."""
        work = asyncio.create_task(workers.run(self._settings.workers), name="workers")
        stopped = asyncio.create_task(stop.wait())
        self._health_checks.working = True
        self.ready.set()
        await asyncio.wait({work, watch, stopped, broken}, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping", extra={"requested": stop.is_set()})
        stopped.cancel()
        workers.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(0 if broken.done() else _DRAIN_SECONDS):
                await work

    async def _wait_until_synced(self, agents: AgentWatch, stop: asyncio.Event) -> None:
        """Wait until all lists are complete, because a partial cache leads to wrong decisions; kopf needs the CRD."""
        for informer in self._informers.values():
            await informer.synced.wait()
        await agents.until_served(stop)

    def agent_event(self, event: str, obj: Object) -> None:
        """Process an event of an AgentDeployment."""
        self.metrics.events.inc()
        self._triggers.agent_event(event, obj)
        if self._fleet is not None:
            self._fleet.wake()

    def _channel_changed(self, channel: Key) -> None:
        if self._fleet is not None:
            self._fleet.wake()
        self._triggers.channel_changed(channel)

    def _served(self, kind: str) -> str | None:
        informer = self._informers.get(kind)
        if informer is None and not BY_NAME[kind].watched:
            return BY_NAME[kind].versions[0]
        return informer.version if informer else None
