"""Informers, which list and watch the children, one per kind. kopf watches the AgentDeployments.

kopf keeps 16 KiB per object and needs 0.5 ms per event, at 12 objects per agent. It does not report objects that were
deleted between two watches, and cannot start to watch a kind whose CRD appears later.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus

from agent_operator.api import constants
from agent_operator.kube.client import Cluster, collections
from agent_operator.kube.discovery import Discovery
from agent_operator.kube.event_handler import Cache, EventHandler
from agent_operator.kube.heartbeat import Heartbeat
from agent_operator.kube.objects import METADATA_ONLY, Key, Object, Ref, ref
from agent_operator.kube.resources import Kind
from agent_operator.kube.transport import SILENT, ApiError

log = logging.getLogger(__name__)

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
_SHORTEST_WATCH = 1.0
# Seconds between two attempts without the permission to watch.
_POLL = 60.0
_CRD = "crd"  # heartbeat stream of the watch of the CustomResourceDefinition


class Informer:
    """Keeps a cache up to date with all objects of one kind that the label selector matches.

    Attributes:
        synced: set after the first list, or when the cluster does not serve the kind.
        version: API version in which the cluster serves the kind; None while it does not.
        heartbeat: activity of the list and watch, or of the wait for an API that the cluster does not serve.
    """

    def __init__(  # noqa: PLR0913  (dependencies, passed once)
        self,
        cluster: Cluster,
        discovery: Discovery,
        kind: Kind,
        store: Cache,
        *,
        namespaces: Iterable[str],
        list_slots: asyncio.Semaphore,
        clock: Callable[[], float],
        selector: str = constants.LABEL_AGENT,
    ) -> None:
        self.kind = kind
        self.synced = asyncio.Event()
        self.version: str | None = None
        self.heartbeat = Heartbeat(f"the watch of {kind.kind}", clock)
        self._cluster = cluster
        self._discovery = discovery
        self._handler = EventHandler(kind.kind, store)
        self._metadata_only = kind.kind in METADATA_ONLY
        self._namespaces = tuple(namespaces)
        self._list_slots = list_slots
        self._clock = clock
        self._selector = selector
        self._random = random.Random()  # noqa: S311  (jitter is no secret)
        self._logged: set[str] = set()

    async def run(self, changed: Callable[[Key], None], api_changed: Callable[[], None]) -> None:
        """List and watch forever. Calls `changed` for agents to reconcile, `api_changed` when the API comes or goes."""
        delay = _FIRST_DELAY
        # A standby replica may have been idle for days.
        self.heartbeat.beat()
        while True:
            began = self._clock()
            try:
                await self._run_once(changed, api_changed)
            except ApiError as error:
                if error.code == HTTPStatus.FORBIDDEN and self.kind.optional:
                    # Treat it like a missing API. A permission that is granted later resolves it.
                    self._record_absence(changed, api_changed)
                    self._warn_once("optional API is not used: no permission to list and watch it", error)
                    await asyncio.sleep(_POLL)
                    continue
                self._report_failure(error)
            if self._clock() - began > _LONGEST_DELAY:
                # The informer worked for a long time, so this is a new failure.
                delay = _FIRST_DELAY
            await asyncio.sleep(delay * (0.5 + self._random.random()))
            delay = min(2 * delay, _LONGEST_DELAY)

    async def _run_once(self, changed: Callable[[Key], None], api_changed: Callable[[], None]) -> None:
        """List and watch until that fails. If the cluster does not serve the kind, wait until it may."""
        served = await self._served()
        if served is not None:
            await self._list_and_watch(served, changed, api_changed)
            return
        self._record_absence(changed, api_changed)
        await self._wait_for_crd(self.heartbeat.beat, present=True)

    async def _served(self) -> str | None:
        served = await self._discovery.served_version(self.kind)
        if served is None and not self.kind.optional:
            # The server is still starting, or is not an API server, so keep the cache.
            raise ApiError(0, "NotServed", f"the API server does not serve {self.kind.plural}")
        return served

    def _record_absence(self, changed: Callable[[Key], None], api_changed: Callable[[], None]) -> None:
        self._handler.retain(self._namespaces, set(), changed)
        if self.version is not None:
            self.version = None
            log.info("API is no longer served", extra={"kind": self.kind.kind})
            api_changed()
        self.heartbeat.expect(f"the wait for the API of {self.kind.kind}")
        self.heartbeat.beat()
        self.heartbeat.succeed()
        self.synced.set()

    async def _list_and_watch(
        self, served: str, changed: Callable[[Key], None], api_changed: Callable[[], None]
    ) -> None:
        versions = {}
        listed: set[Ref] = set()
        self.heartbeat.expect(f"the watch of {self.kind.kind}")
        for path in collections(self.kind, served, self._namespaces):
            versions[path] = await self._list(path, listed, changed)
        scope = self._namespaces if self.kind.namespaced else ()
        self._handler.retain(scope, listed, changed)
        if self.version != served:
            self.version = served
            api_changed()
        self.heartbeat.succeed()
        self.synced.set()
        await self._watch_all(versions, changed)

    async def _watch_all(self, versions: Mapping[str, str], changed: Callable[[Key], None]) -> None:
        """Watch each path from its resourceVersion. Raises ApiError if one of the watches fails."""
        streams = (*versions, _CRD) if self.kind.optional else tuple(versions)
        self.heartbeat.expect(self.heartbeat.activity, *streams)
        failure: tuple[int, str, str] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for path, version in versions.items():
                    group.create_task(self._watch(path, version, changed))
                if self.kind.optional:
                    group.create_task(self._end_with_crd())
        except* ApiError as errors:
            # Python before 3.11.4 puts what is raised here into a group.
            failure = _first(errors)
        finally:
            self.heartbeat.expect(self.heartbeat.activity)
        if failure is not None:
            raise ApiError(*failure)

    async def _list(self, path: str, listed: set[Ref], changed: Callable[[Key], None]) -> str:
        """List a collection page by page, which needs a hundredth of the memory of a whole list."""
        version = ""
        async with self._list_slots:
            pages = self._cluster.list_pages(path, self.kind.kind, self._selector, metadata_only=self._metadata_only)
            async for items, page_version in pages:
                version = page_version
                self.heartbeat.beat()
                for obj in items:
                    listed.add(ref(self.kind.kind, obj))
                    self._handler.handle("ADDED", obj, changed)
        return version

    async def _end_with_crd(self) -> None:
        """Fail when the CRD is deleted: a watch of its kind may stay open and silent."""
        delay = _FIRST_DELAY
        while True:
            await self._wait_for_crd(partial(self.heartbeat.beat, _CRD), present=False)
            served = await self._discovery.served_version(self.kind)
            self.heartbeat.beat(_CRD)
            if served is None:
                raise ApiError(HTTPStatus.NOT_FOUND, "NotFound", "the CustomResourceDefinition was deleted")
            # The kind may come from an aggregated API server, without a CustomResourceDefinition.
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    async def _wait_for_crd(self, on_activity: Callable[[], None], *, present: bool) -> None:
        """Wait until the CRD may exist, or may be gone. Without permission to watch it: wait for a minute."""
        try:
            await self._discovery.wait_for_crd(self.kind.crd, on_activity, present=present)
        except ApiError as error:
            if error.code != HTTPStatus.FORBIDDEN:
                raise
            self._warn_once("no permission to watch CustomResourceDefinitions: polling once per minute", error)
            await asyncio.sleep(_POLL)

    def _report_failure(self, error: ApiError) -> None:
        if error.code:
            self.heartbeat.beat()
        # 404: the CRD was deleted. 410: the resourceVersion is too old, so relist. Neither is a failure.
        if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return
        self.heartbeat.fail(f"{error.code} {error.reason}" if error.code else error.reason)
        details = {"why": error.message} if error.code == HTTPStatus.FORBIDDEN else {}
        extra = {"kind": self.kind.kind, "code": error.code, "reason": error.reason}
        log.warning("watch failed", extra=extra | details)

    def _warn_once(self, what: str, error: ApiError) -> None:
        if what not in self._logged:
            self._logged.add(what)
            log.warning(what, extra={"kind": self.kind.kind, "why": error.message})

    async def _watch(self, path: str, version: str, changed: Callable[[Key], None]) -> None:
        while True:
            began = self._clock()
            try:
                async for event in self._events(path, version):
                    obj = event["object"]
                    version = obj["metadata"].get("resourceVersion") or version
                    if event["type"] != "BOOKMARK":
                        self._handler.handle(event["type"], obj, changed)
            except ApiError as error:
                # Resume from the last resourceVersion. If it is too old, the server responds 410, and run() relists.
                if error.reason != SILENT:
                    raise
            if self._clock() - began < _SHORTEST_WATCH:
                # A server that ends watches immediately would otherwise be called in a busy loop.
                await asyncio.sleep(_SHORTEST_WATCH)

    async def _events(self, path: str, version: str) -> AsyncIterator[Object]:
        on_activity = partial(self.heartbeat.beat, path)
        kind, metadata_only = self.kind.kind, self._metadata_only
        watch = self._cluster.watch(path, kind, self._selector, version, on_activity, metadata_only=metadata_only)
        async for event in watch:
            if event["type"] == "ERROR":
                status = event["object"]
                raise ApiError(status.get("code", 0), status.get("reason", ""), status.get("message", ""))
            yield event


def _first(errors: ExceptionGroup[ApiError]) -> tuple[int, str, str]:
    error = errors.exceptions[0]
    if not isinstance(error, ApiError):
        raise TypeError(type(error).__name__)
    return error.code, error.reason, error.message
