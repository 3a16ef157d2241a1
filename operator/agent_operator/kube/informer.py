"""Watches the children, one loop a kind. The AgentDeployments themselves are watched by kopf.

Why not kopf for these too: it keeps 16 KiB an object and half a millisecond an event (12 objects an agent), it does not
say which objects were deleted while a watch was away, and it cannot begin to watch a kind whose CRD appears later.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from http import HTTPStatus
from typing import Protocol

from agent_operator.api import constants
from agent_operator.kube.client import Cluster, collections
from agent_operator.kube.discovery import Discovery
from agent_operator.kube.heartbeat import Heartbeat
from agent_operator.kube.objects import Key, Object, Ref, ref
from agent_operator.kube.resources import Kind
from agent_operator.kube.transport import SILENT, ApiError

log = logging.getLogger(__name__)

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
_SHORTEST_WATCH = 1.0
# Without the right to watch, this is how often is looked.
_LOOK_AGAIN = 60.0
# Beside those of the objects, the stream that tells of the CustomResourceDefinition.
_CRD = "crd"


class Sink(Protocol):
    """What takes in what is watched, and returns whom it concerns: the Store, for one."""

    def observe(self, kind: str, event: str, obj: Object) -> Key | None:
        """Take in an event."""
        ...

    def retain(self, kind: str, namespaces: Iterable[str], listed: AbstractSet[Ref]) -> set[Key]:
        """Take in that a list is complete."""
        ...


class Informer:
    """Keeps a store up to date with all objects of one kind that belong to agents, or that the selector chooses.

    Attributes:
        synced: set once everything was listed, or the kind is known not to be served.
        version: API version in which the kind is served; None while it is not.
        heartbeat: whether the API server is heard of, and answers what is asked. The wait for an API that the cluster
            does not serve is part of that.
    """

    def __init__(  # noqa: PLR0913  (its parts, given once)
        self,
        cluster: Cluster,
        discovery: Discovery,
        kind: Kind,
        store: Sink,
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
        self._store = store
        self._namespaces = tuple(namespaces)
        self._list_slots = list_slots
        self._clock = clock
        self._selector = selector
        self._random = random.Random()  # noqa: S311  (jitter is no secret)
        self._logged: set[str] = set()

    async def run(self, changed: Callable[[Key], None], api_changed: Callable[[], None]) -> None:
        """Watch for ever. `changed` hears of agents to look at, `api_changed` when the kind appears or goes."""
        delay = _FIRST_DELAY
        # A standby has heard nothing for days.
        self.heartbeat.beat()
        while True:
            began = self._clock()
            try:
                await self._run_once(changed, api_changed)
            except ApiError as error:
                if error.code == HTTPStatus.FORBIDDEN and self.kind.optional:
                    # For agents it is as if the API were not there; a right that is granted later heals it.
                    self._absent(changed, api_changed)
                    self._warn_once("optional API left out: no right to list and watch it", error)
                    await asyncio.sleep(_LOOK_AGAIN)
                    continue
                self._report_failure(error)
            if self._clock() - began > _LONGEST_DELAY:
                # All was well for long, so this is a new trouble.
                delay = _FIRST_DELAY
            await asyncio.sleep(delay * (0.5 + self._random.random()))
            delay = min(2 * delay, _LONGEST_DELAY)

    async def _run_once(self, changed: Callable[[Key], None], api_changed: Callable[[], None]) -> None:
        """Watch until that fails; or, while the kind is not served, wait until it may be."""
        served = await self._served()
        if served is not None:
            await self._follow(served, changed, api_changed)
            return
        self._absent(changed, api_changed)
        await self._crd_changes(self.heartbeat.beat, present=True)

    async def _served(self) -> str | None:
        served = await self._discovery.served_version(self.kind)
        if served is None and not self.kind.optional:
            # Whoever says so is no API server, or one that is still starting: what is known stays.
            raise ApiError(0, "NotServed", f"{self.kind.plural} are not served")
        return served

    def _absent(self, changed: Callable[[Key], None], api_changed: Callable[[], None]) -> None:
        for key in self._store.retain(self.kind.kind, self._namespaces, set()):
            changed(key)
        if self.version is not None:
            self.version = None
            log.info("API is no longer served", extra={"kind": self.kind.kind})
            api_changed()
        self.heartbeat.expect(f"the wait for the API of {self.kind.kind}")
        self.heartbeat.beat()
        self.heartbeat.succeed()
        self.synced.set()

    async def _follow(self, served: str, changed: Callable[[Key], None], api_changed: Callable[[], None]) -> None:
        versions = {}
        listed: set[Ref] = set()
        self.heartbeat.expect(f"the watch of {self.kind.kind}")
        for path in collections(self.kind, served, self._namespaces):
            versions[path] = await self._list(path, listed, changed)
        scope = self._namespaces if self.kind.namespaced else ()
        for key in self._store.retain(self.kind.kind, scope, listed):
            changed(key)
        if self.version != served:
            self.version = served
            api_changed()
        self.heartbeat.succeed()
        self.synced.set()
        await self._watch_all(versions, changed)

    async def _watch_all(self, versions: Mapping[str, str], changed: Callable[[Key], None]) -> None:
        """Watch each path from its resourceVersion; ApiError when one cannot go on."""
        streams = (*versions, _CRD) if self.kind.optional else tuple(versions)
        self.heartbeat.expect(self.heartbeat.activity, *streams)
        try:
            async with asyncio.TaskGroup() as group:
                for path, version in versions.items():
                    group.create_task(self._watch(path, version, changed))
                if self.kind.optional:
                    group.create_task(self._end_with_crd())
        except* ApiError as errors:
            raise ApiError(*_first(errors)) from None
        finally:
            self.heartbeat.expect(self.heartbeat.activity)

    async def _list(self, path: str, listed: set[Ref], changed: Callable[[Key], None]) -> str:
        """Take in a collection, page by page: all of it at once would be a hundred times its packed size."""
        version = ""
        async with self._list_slots:
            async for items, of_page in self._cluster.list_pages(path, self.kind.kind, self._selector):
                version = of_page
                self.heartbeat.beat()
                for obj in items:
                    listed.add(ref(self.kind.kind, obj))
                    key = self._store.observe(self.kind.kind, "ADDED", obj)
                    if key is not None:
                        changed(key)
        return version

    async def _end_with_crd(self) -> None:
        """A watch of a kind that is no longer served may stay open, and silent."""
        delay = _FIRST_DELAY
        while True:
            await self._crd_changes(partial(self.heartbeat.beat, _CRD), present=False)
            served = await self._discovery.served_version(self.kind)
            self.heartbeat.beat(_CRD)
            if served is None:
                raise ApiError(HTTPStatus.NOT_FOUND, "NotFound", "the CustomResourceDefinition was deleted")
            # An API server may serve what no CustomResourceDefinition describes.
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    async def _crd_changes(self, heard: Callable[[], None], *, present: bool) -> None:
        """Wait until the CustomResourceDefinition may be there, or gone. In a namespaced install: for a minute."""
        try:
            await self._discovery.wait_for_crd(self.kind.crd, heard, present=present)
        except ApiError as error:
            if error.code != HTTPStatus.FORBIDDEN:
                raise
            self._warn_once("no right to watch CustomResourceDefinitions: looked for each minute", error)
            await asyncio.sleep(_LOOK_AGAIN)

    def _report_failure(self, error: ApiError) -> None:
        if error.code:
            self.heartbeat.beat()
        # 404: the CRD was deleted. 410: too far behind, list anew. Neither is anybody's fault.
        if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return
        self.heartbeat.fail(f"{error.code} {error.reason}" if error.code else error.reason)
        denied = {"why": error.message} if error.code == HTTPStatus.FORBIDDEN else {}
        extra = {"kind": self.kind.kind, "code": error.code, "reason": error.reason}
        log.warning("watch failed", extra=extra | denied)

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
                    version = obj["metadata"].get("resourceVersion", version)
                    if event["type"] != "BOOKMARK":
                        key = self._store.observe(self.kind.kind, event["type"], obj)
                        if key is not None:
                            changed(key)
            except ApiError as error:
                # Go on where it was silent. Should something have been missed, the server says 410, and all is listed.
                if error.reason != SILENT:
                    raise
            if self._clock() - began < _SHORTEST_WATCH:
                # Whoever ends a watch as soon as it begins does so again: do not hammer.
                await asyncio.sleep(_SHORTEST_WATCH)

    async def _events(self, path: str, version: str) -> AsyncIterator[Object]:
        heard = partial(self.heartbeat.beat, path)
        async for event in self._cluster.watch(path, self.kind.kind, self._selector, version, heard):
            if event["type"] == "ERROR":
                status = event["object"]
                raise ApiError(status.get("code", 0), status.get("reason", ""), status.get("message", ""))
            yield event


def _first(errors: ExceptionGroup[ApiError]) -> tuple[int, str, str]:
    error = errors.exceptions[0]
    if not isinstance(error, ApiError):
        raise TypeError(type(error).__name__)
    return error.code, error.reason, error.message
