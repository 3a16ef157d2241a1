"""kopf: watches the AgentDeployments. Only low-level event handlers, for they are the level-triggered ones.

A create, update, resume or delete handler, a timer or a daemon would add annotations and finalizers to every
AgentDeployment, and a PATCH for each; with these handlers kopf writes nothing.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import kopf

from agent_operator import names
from agent_operator.objects import Object
from agent_operator.transport import Transport

# Takes the type of an event (ADDED, MODIFIED, DELETED) and the object.
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
        sink(event["type"] or "ADDED", event["object"])

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
    return chosen


async def run(
    sink: Sink,
    transport: Transport,
    namespaces: Collection[str],
    stop: asyncio.Event,
    started: Callable[[], None],
) -> None:
    """Watch until `stop` is set. `started` is called once kopf has taken the process's signals: take them back."""
    tasks = await kopf.spawn_tasks(
        registry=registry(sink, transport),
        settings=settings(),
        clusterwide=not namespaces,
        namespaces=namespaces,
        standalone=True,
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
        task.result()
        raise RuntimeError(f"kopf ended its task {task.get_name()}")
