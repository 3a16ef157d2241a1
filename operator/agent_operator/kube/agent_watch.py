"""kopf: watches the AgentDeployments. Only low-level event handlers, for they are the level-triggered ones.

A create, update, resume or delete handler, a timer or a daemon would add annotations and finalizers to every
AgentDeployment, and a PATCH for each; with these handlers kopf writes nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import aiohttp
import kopf

from agent_operator.api import constants
from agent_operator.kube.discovery import Discovery
from agent_operator.kube.heartbeat import Heartbeat
from agent_operator.kube.objects import LISTED, Object
from agent_operator.kube.transport import ApiError, Transport

log = logging.getLogger(__name__)

# kopf takes some answers of an API server in trouble for the end.
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
# While the API of the AgentDeployments is not served, this is how often is looked.
_LOOK_AGAIN = 2.0
# While it is served, this is how often is looked whether it still is: kopf may go on watching, and hear nothing.
_LOOK_STILL = 20.0

_WATCH = "the watch of AgentDeployment"
_WAIT = "the wait for the API of AgentDeployment"

# Takes the type of an event (LISTED, ADDED, MODIFIED, DELETED) and the object.
Sink = Callable[[str, Object], None]


def settings() -> kopf.OperatorSettings:
    """Make kopf's settings: no scanning, no peering, no posting, no worker waiting for ever."""
    chosen = kopf.OperatorSettings()
    # kopf sends SIGKILL to this process so long after it was stopped; but it is also stopped to be started again.
    chosen.process.ultimate_exiting_timeout = None
    chosen.scanning.disabled = True
    chosen.peering.standalone = True
    chosen.posting.enabled = False
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 5
    # In all less than our own longest delay: kopf then lists again, or ends, and says why.
    chosen.networking.error_backoffs = (1, 2, 4, 8)
    chosen.watching.server_timeout = 300
    chosen.watching.client_timeout = 330
    # kopf counts bookmarks as life; the API server sends one a minute.
    chosen.watching.inactivity_timeout = 90
    chosen.watching.chunk_size = 100
    chosen.queueing.idle_timeout = 0.5
    chosen.persistence.diffbase_storage = _NoDifferences()
    return chosen


class _NoDifferences(kopf.DiffBaseStorage):
    """Finds no difference: kopf would copy each object some times to find them, for handlers that there are not."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        raise NotImplementedError("kopf writes nothing")


class AgentWatch:
    """Runs kopf, again whenever it fails.

    Attributes:
        heartbeat: whether the API server is heard of by kopf, for each collection.
        served: whether the API server has AgentDeployments; None while that is not known.
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
        # Those whose watch was answered since kopf was started.
        self._watched: set[str] = set()
        self._sessions: list[aiohttp.ClientSession] = []
        self._paths = tuple(
            f"/apis/{constants.API_VERSION}/{scope}{constants.PLURAL}"
            for scope in [f"namespaces/{namespace}/" for namespace in namespaces] or [""]
        )

    @property
    def synced(self) -> bool:
        """Whether everything was listed, and is watched."""
        return len(self._watched) == len(self._paths)

    async def run(self, stop: asyncio.Event, started: Callable[[], None], lost: Callable[[], None]) -> None:
        """Watch until `stop` is set.

        Args:
            stop: ends the watch.
            started: called once kopf has taken the process's signals: take them back.
            lost: called when the API server no longer has AgentDeployments.
        """
        delay = _FIRST_DELAY
        while await self.until_served(stop, lost):
            began = self._clock()
            failure = await self._watch(stop, started)
            if failure is None:
                continue
            log.warning("watch of the AgentDeployments failed", extra={"error": type(failure).__name__})
            if self._clock() - began > _LONGEST_DELAY:
                delay = _FIRST_DELAY
            await _sleep(delay, stop)
            delay = min(2 * delay, _LONGEST_DELAY)

    async def until_served(self, stop: asyncio.Event, lost: Callable[[], None] = lambda: None) -> bool:
        """Wait until the API server has AgentDeployments; False when `stop` was set before."""
        while not stop.is_set():
            try:
                served = await self._discovery.serves_agents()
            except ApiError as error:
                self._refused(error)
            else:
                self._answered(lost, served=served)
                if served:
                    return True
            await _sleep(_LOOK_AGAIN, stop)
        return False

    def _refused(self, error: ApiError) -> None:
        self.heartbeat.fail(f"{error.code} {error.reason}" if error.code else error.reason)
        if error.code:
            self.heartbeat.beat()
            extra = {"code": error.code, "reason": error.reason}
            log.warning("the API server does not say whether it has AgentDeployments", extra=extra)

    def _answered(self, lost: Callable[[], None], *, served: bool) -> None:
        self.heartbeat.expect(_WATCH if served else _WAIT)
        self.heartbeat.beat()
        self.heartbeat.succeed()
        if not served and self.served is not False:
            log.warning("the AgentDeployment CRD is not installed: kubectl apply --server-side -k crds")
            lost()
        self.served = served

    async def _watch(self, stop: asyncio.Event, started: Callable[[], None]) -> Exception | None:
        """Run kopf until `stop` is set, AgentDeployments are no longer served, or a task of it fails: the failure."""
        self.heartbeat.expect(_WATCH, *self._paths)
        self._watched.clear()
        tasks = await self._spawn()
        started()
        # Not kopf.run_tasks(): at its end it waits for, and cancels, every task of the loop, passes under way too.
        ours = {asyncio.create_task(stop.wait()), asyncio.create_task(self._until_gone())}
        try:
            done, _ = await asyncio.wait({*tasks, *ours}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end({*tasks, *ours})
            while self._sessions:
                await self._sessions.pop().close()
            self.heartbeat.expect(_WATCH)
        failed = done - ours
        return _failure(failed.pop()) if failed else None

    async def _spawn(self) -> Collection[asyncio.Task[Any]]:
        return await kopf.spawn_tasks(
            registry=self._registry(),
            settings=settings(),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            standalone=True,
            # Peering is off, so nothing reads it. By default kopf asks for the user's name, and not every user has one.
            identity=constants.FIELD_MANAGER,  # type: ignore[arg-type]  # a NewType that kopf keeps to itself
        )

    async def _until_gone(self) -> None:
        """Wait until AgentDeployments are no longer served."""
        while True:
            await asyncio.sleep(_LOOK_STILL)
            with suppress(ApiError):
                if not await self._discovery.serves_agents():
                    return

    def _registry(self) -> kopf.OperatorRegistry:
        handlers = kopf.OperatorRegistry()

        @kopf.on.login(registry=handlers)
        async def login(**_: Any) -> kopf.AiohttpSession:
            # Not the transport's own session: kopf closes what it is given, unless it ends before it uses it.
            session = self._transport.new_session(self._listen)
            self._sessions.append(session)
            return kopf.AiohttpSession(server=self._transport.server, aiohttp_session=session)

        @kopf.on.event(constants.GROUP, constants.VERSION, constants.PLURAL, registry=handlers)
        async def agent(event: Any, **_: Any) -> None:
            # While kopf lists, events have no type.
            self._sink(event["type"] or LISTED, event["object"])

        return handlers

    async def _listen(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Note what kopf is answered: it asks again at least every five minutes, and more often when all is quiet."""
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
    """Tell why a task of kopf ended: none of them does so by itself."""
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
