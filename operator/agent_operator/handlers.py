"""kopf: watches the AgentDeployments. Only low-level event handlers, for they are the level-triggered ones.

A create, update, resume or delete handler, a timer or a daemon would add annotations and finalizers to every
AgentDeployment, and a PATCH for each; with these handlers kopf writes nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import kopf

from agent_operator import names
from agent_operator.objects import LISTED, Object
from agent_operator.transport import Transport

log = logging.getLogger(__name__)

# kopf takes some answers of an API server in trouble for the end.
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0

# Takes the type of an event (LISTED, ADDED, MODIFIED, DELETED) and the object.
Sink = Callable[[str, Object], None]


def registry(sink: Sink, transport: Transport) -> kopf.OperatorRegistry:
    """Make the registry with all handlers in it."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:
        # Not the transport's own session: kopf closes what it is given.
        return kopf.AiohttpSession(server=transport.server, aiohttp_session=transport.new_session())

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=handlers)
    async def agent(event: Any, **_: Any) -> None:
        # While kopf lists, events have no type.
        sink(event["type"] or LISTED, event["object"])

    return handlers


def settings() -> kopf.OperatorSettings:
    """Make kopf's settings: no scanning, no peering, no posting, no worker waiting for ever."""
    chosen = kopf.OperatorSettings()
    chosen.scanning.disabled = True
    chosen.peering.standalone = True
    chosen.posting.enabled = False
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 5
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


async def run(
    sink: Sink,
    transport: Transport,
    namespaces: Collection[str],
    stop: asyncio.Event,
    started: Callable[[], None],
) -> None:
    """Watch until `stop` is set. `started` is called once kopf has taken the process's signals: take them back."""
    loop = asyncio.get_running_loop()
    delay = _FIRST_DELAY
    while not stop.is_set():
        began = loop.time()
        failure = await _watch(sink, transport, namespaces, stop, started)
        if failure is None:
            return
        log.warning("watch of the AgentDeployments failed", extra={"error": type(failure).__name__})
        if loop.time() - began > _LONGEST_DELAY:
            delay = _FIRST_DELAY
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await stop.wait()
        delay = min(2 * delay, _LONGEST_DELAY)


async def _watch(
    sink: Sink,
    transport: Transport,
    namespaces: Collection[str],
    stop: asyncio.Event,
    started: Callable[[], None],
) -> Exception | None:
    """Run kopf until `stop` is set or one of its tasks fails; return the failure."""
    tasks = await kopf.spawn_tasks(
        registry=registry(sink, transport),
        settings=settings(),
        clusterwide=not namespaces,
        namespaces=namespaces,
        standalone=True,
        # Peering is off, so nothing reads it. By default kopf asks for the user's name, and not every user has one.
        identity=names.FIELD_MANAGER,  # type: ignore[arg-type]  # a NewType that kopf keeps to itself
    )
    started()
    # Not kopf.run_tasks(): at its end it waits for, and then cancels, every task of the loop, passes under way too.
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (*tasks, stopped):
            task.cancel()
        await asyncio.wait({*tasks, stopped})
    for task in done - {stopped}:
        # None of them ends by itself: one that did has failed.
        error = task.exception()
        if error is not None and not isinstance(error, Exception):
            raise error
        return error or RuntimeError(f"kopf ended its task {task.get_name()}")
    return None
