"""Watches AgentDeployments with kopf, by low-level event handlers only, because they are level-triggered.

With create, update, resume or delete handlers, timers or daemons kopf would patch annotations and finalizers into every
AgentDeployment. With event handlers it writes nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast

import aiohttp
import kopf

from agent_operator.api import constants
from agent_operator.kube import kopf_settings
from agent_operator.kube.discovery import Discovery
from agent_operator.kube.heartbeat import Heartbeat
from agent_operator.kube.kopf_session import KopfSession
from agent_operator.kube.objects import LISTED, Object
from agent_operator.kube.transport import ApiError, Transport

log = logging.getLogger(__name__)

# kopf ends on some errors of the API server. These are the delays, in seconds, before it starts again.
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
# Seconds between two discovery requests while the API server does not serve AgentDeployments.
_POLL_ABSENT = 2.0
# Seconds between two discovery requests otherwise. After the CRD is deleted, kopf's watch may stay open but silent.
_POLL_SERVED = 20.0

_WATCH = "the watch of AgentDeployment"
_WAIT = "the wait for the API of AgentDeployment"

# Receives the type of an event (LISTED, ADDED, MODIFIED, DELETED) and the object.
Sink = Callable[[str, Object], None]


class AgentWatch:
    """Runs kopf, and restarts it when it fails.

    Attributes:
        heartbeat: activity of the watches of kopf, one stream per collection.
        served: whether the API server serves AgentDeployments; None while that is unknown.
    """

    def __init__(
        self,
        sink: Sink,
        discovery: Discovery,
        transport: Transport,
        namespaces: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self.heartbeat = Heartbeat(_WATCH, clock)
        self.served: bool | None = None
        self._sink = sink
        self._discovery = discovery
        self._transport = transport
        self._namespaces = namespaces
        self._clock = clock
        # Paths that the API server has answered a watch for since kopf started.
        self._watched: set[str] = set()
        self._sessions: list[KopfSession] = []
        self._paths = tuple(
            f"/apis/{constants.API_VERSION}/{scope}{constants.PLURAL}"
            for scope in [f"namespaces/{namespace}/" for namespace in namespaces] or [""]
        )

    @property
    def synced(self) -> bool:
        """Whether kopf has listed all collections and watches them."""
        return len(self._watched) == len(self._paths)

    async def run(self, stop: asyncio.Event, started: Callable[[], None], lost: Callable[[], None]) -> None:
        """Watch until `stop` is set.

        Args:
            stop: ends the watch.
            started: called after kopf has installed its signal handlers, to replace them.
            lost: called when the API server no longer serves AgentDeployments.
        """
        delay = _FIRST_DELAY
        while await self.until_served(stop, lost):
            began = self._clock()
            failure = await self._watch(stop, started)
            if failure is None:
                continue
            log.warning("watch of AgentDeployments failed", extra={"error": type(failure).__name__})
            if self._clock() - began > _LONGEST_DELAY:
                delay = _FIRST_DELAY
            await _sleep(delay, stop)
            delay = min(2 * delay, _LONGEST_DELAY)

    async def until_served(self, stop: asyncio.Event, lost: Callable[[], None] = lambda: None) -> bool:
        """Wait until the API server serves AgentDeployments; False if `stop` was set first."""
        while not stop.is_set():
            try:
                served = await self._discovery.serves_agents()
            except ApiError as error:
                self._record_error(error)
            else:
                self._record_served(lost, served=served)
                if served:
                    return True
            await _sleep(_POLL_ABSENT, stop)
        return False

    def _record_error(self, error: ApiError) -> None:
        self.heartbeat.fail(f"{error.code} {error.reason}" if error.code else error.reason)
        if error.code:
            self.heartbeat.beat()
            extra = {"code": error.code, "reason": error.reason}
            log.warning("discovery of AgentDeployments failed", extra=extra)

    def _record_served(self, lost: Callable[[], None], *, served: bool) -> None:
        self.heartbeat.expect(_WATCH if served else _WAIT)
        self.heartbeat.beat()
        self.heartbeat.succeed()
        if not served and self.served is not False:
            log.warning("the AgentDeployment CRD is not installed: run `kubectl apply --server-side -k crds`")
            lost()
        self.served = served

    async def _watch(self, stop: asyncio.Event, started: Callable[[], None]) -> Exception | None:
        """Run kopf until `stop` is set or the CRD is gone (None), or until a task of kopf fails (its error)."""
        self.heartbeat.expect(_WATCH, *self._paths)
        self._watched.clear()
        tasks = await self._spawn()
        started()
        # Not kopf.run_tasks(): it cancels every task of the event loop at its end, running passes included.
        own = {asyncio.create_task(stop.wait()), asyncio.create_task(self._until_gone())}
        try:
            done, _ = await asyncio.wait({*tasks, *own}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end({*tasks, *own})
            while self._sessions:
                await self._sessions.pop().close()
            self.heartbeat.expect(_WATCH)
        failed = done - own
        return _failure(failed.pop()) if failed else None

    async def _spawn(self) -> Collection[asyncio.Task[Any]]:
        return await kopf.spawn_tasks(
            registry=self._registry(),
            settings=kopf_settings.settings(),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            standalone=True,
            # Unused, because peering is off. By default kopf looks up the name of the user, who may have none.
            identity=constants.FIELD_MANAGER,  # type: ignore[arg-type]  # a private NewType of kopf
        )

    async def _until_gone(self) -> None:
        """Wait until the API server no longer serves AgentDeployments."""
        while True:
            await asyncio.sleep(_POLL_SERVED)
            with suppress(ApiError):
                if not await self._discovery.serves_agents():
                    return

    def _registry(self) -> kopf.OperatorRegistry:
        handlers = kopf.OperatorRegistry()

        @kopf.on.login(registry=handlers)
        async def login(**_: Any) -> kopf.AiohttpSession:
            # A session of its own, because kopf closes it, unless it ends before its first request.
            session = KopfSession(self._transport.new_session(self._observe_response), self._paths)
            self._sessions.append(session)
            return kopf.AiohttpSession(
                server=self._transport.server, aiohttp_session=cast(aiohttp.ClientSession, session)
            )

        @kopf.on.event(constants.GROUP, constants.VERSION, constants.PLURAL, registry=handlers)
        async def agent(event: Any, **_: Any) -> None:
            # Events of the initial list have no type.
            self._deliver(event["type"] or LISTED, event["object"])

        return handlers

    def _deliver(self, event: str, obj: Object) -> None:
        """Hand over an event. An error concerns only its object."""
        try:
            self._sink(event, obj)
        except Exception:
            meta = obj["metadata"]
            extra = {"namespace": meta.get("namespace"), "object": meta.get("name")}
            log.exception("event of an AgentDeployment cannot be processed: it is skipped", extra=extra)

    async def _observe_response(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Record responses to kopf, which sends a request at least every five minutes."""
        response = await handler(request)
        path = next((path for path in self._paths if request.url.path.endswith(path)), "")
        if path:
            self.heartbeat.beat(path)
            if not response.ok and response.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                self.heartbeat.fail(f"{response.status} {response.reason}")
            elif response.ok and "watch" in request.url.query:
                self._watched.add(path)
                self.heartbeat.succeed()
        return response


def _failure(task: asyncio.Task[Any]) -> Exception:
    """Return why a task of kopf ended. Tasks of kopf do not end without an error or a cancellation."""
    error = task.exception()
    if error is not None and not isinstance(error, Exception):
        raise error
    return error or RuntimeError(f"kopf ended its task {task.get_name()}")


async def _end(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
