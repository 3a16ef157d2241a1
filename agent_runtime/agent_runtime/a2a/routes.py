"""The agent card, and the one address for everything else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import orjson
from aiohttp import web

from agent_runtime.a2a import card, rpc
from agent_runtime.a2a.dialects import V0_3, V1, Dialect
from agent_runtime.a2a.params import Named, Send, read
from agent_runtime.a2a.rpc import Call, RpcError
from agent_runtime.a2a.service import Tasks
from agent_runtime.a2a.shared import SHARED, SharedTasks
from agent_runtime.a2a.tasks import Task, TaskStore
from agent_runtime.config import AgentConfig, LimitsConfig
from agent_runtime.environment import Environment
from agent_runtime.http.keys import AGENT
from agent_runtime.http.middleware import CALLER, LOG_FIELDS, MAX_BODY_BYTES
from agent_runtime.http.routes.body import read_bytes
from agent_runtime.http.routes.chat import kept_as
from agent_runtime.http.routes.events import EventStream
from agent_runtime.logs import pseudonym

TASKS = web.AppKey("a2a_tasks", Tasks)
Answer = Callable[[web.Request, Call, Dialect], Awaitable[web.StreamResponse]]


def add_a2a(app: web.Application, config: AgentConfig, environment: Environment) -> None:
    """Serve the protocol. The application's agent must be there before it starts."""

    async def show_card(request: web.Request) -> web.Response:
        """GET /.well-known/agent-card.json."""
        body = orjson.dumps(card.card(config, environment, card.base_url(config, request)))
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-cache"})

    async def run(app: web.Application) -> AsyncIterator[None]:
        # A task that nobody waits for is work all the same.
        limits = config.limits or LimitsConfig()
        store = TaskStore(most_running=limits.max_concurrent_requests)
        redis = app.get(SHARED)
        shared = SharedTasks(redis) if redis is not None else None
        app[TASKS] = tasks = Tasks(app[AGENT], store, shared)
        yield
        await tasks.aclose()

    app.router.add_get(card.PATH, show_card)
    app.router.add_post("/a2a", answer)
    app.cleanup_ctx.append(run)


async def answer(request: web.Request) -> web.StreamResponse:
    """POST /a2a: one JSON-RPC call. Its errors are JSON-RPC's; only a caller who may not come in gets a problem."""
    call_id: rpc.Id = None
    try:
        call = rpc.parse(await _body(request))
        call_id = call.id
        dialect, handle = _looked_up(request, call)
        return await handle(request, call, dialect)
    except RpcError as error:
        request[LOG_FIELDS]["code"] = error.code
        return web.Response(status=error.status, body=rpc.failure(call_id, error), content_type="application/json")


def _looked_up(request: web.Request, call: Call) -> tuple[Dialect, Answer]:
    spoken = request.headers.get("A2A-Version", "")
    if spoken and not spoken.startswith(("0.3", "1.")):
        raise RpcError(rpc.VERSION_NOT_SUPPORTED, "A2A-Version: 1.0 and 0.3 are spoken")
    if call.method in _REFUSED:
        raise RpcError(*_REFUSED[call.method])
    if call.method not in _METHODS:
        raise RpcError(rpc.METHOD_NOT_FOUND, "There is no such method")
    return _METHODS[call.method]


async def _body(request: web.Request) -> bytes:
    if request.content_type != "application/json":
        # Other pages' forms and scripts may send text unasked; JSON they may not.
        raise RpcError(rpc.INVALID_REQUEST, "Content-Type: application/json is read", 415)
    try:
        return await read_bytes(request)
    except web.HTTPRequestEntityTooLarge:
        raise RpcError(rpc.INVALID_REQUEST, f"At most {MAX_BODY_BYTES} bytes are read", 413) from None


async def _send(request: web.Request, call: Call, dialect: Dialect) -> web.Response:
    asked = read(Send, call.params)
    task = await _begin(request, asked)
    if asked.configuration.waits and task.work is not None:
        try:
            await asyncio.wait([task.work])
        except asyncio.CancelledError:
            # Whoever leaves now never learned the task's id.
            await request.app[TASKS].cancel(task)
            raise
    return _result(call, dialect.sent(task, asked.configuration.history_length))


async def _send_streaming(request: web.Request, call: Call, dialect: Dialect) -> web.StreamResponse:
    return await _followed(request, call, dialect, await _begin(request, read(Send, call.params)))


async def _subscribe(request: web.Request, call: Call, dialect: Dialect) -> web.StreamResponse:
    task = await _named(request, read(Named, call.params))
    if task.ended:
        raise RpcError(rpc.UNSUPPORTED_OPERATION, "The task has ended")
    return await _followed(request, call, dialect, task)


async def _get(request: web.Request, call: Call, dialect: Dialect) -> web.Response:
    asked = read(Named, call.params)
    return _result(call, dialect.task(await _named(request, asked), asked.history_length))


async def _cancel(request: web.Request, call: Call, dialect: Dialect) -> web.Response:
    task = await _named(request, read(Named, call.params))
    if task.ended:
        raise RpcError(rpc.TASK_NOT_CANCELABLE, "The task has ended")
    return _result(call, dialect.task(await request.app[TASKS].cancel(task)))


async def _begin(request: web.Request, asked: Send) -> Task:
    settings, message = asked.configuration, asked.message
    if settings.push_notification_config or settings.task_push_notification_config:
        raise RpcError(*_REFUSED["CreateTaskPushNotificationConfig"])
    if message.task_id:
        await _named(request, Named(id=message.task_id))
        raise RpcError(rpc.UNSUPPORTED_OPERATION, "A task is one message: send the next with the contextId alone")
    task = Task(request[CALLER], message.context_id or "", message.message_id, message.text)
    task.context_id = task.context_id or task.id
    request[LOG_FIELDS]["session"] = pseudonym(task.context_id)
    await request.app[TASKS].begin(task, kept_as(request, task.context_id))
    return task


async def _named(request: web.Request, asked: Named) -> Task:
    task = await request.app[TASKS].find(asked.id, request[CALLER])
    if task is None:
        raise RpcError(rpc.TASK_NOT_FOUND, "There is no such task, or its time has passed")
    return task


async def _followed(request: web.Request, call: Call, dialect: Dialect, task: Task) -> web.StreamResponse:
    """The task, its answer a piece at a time, and how it ended."""
    async with EventStream(request) as events:
        await events.send(rpc.result(call.id, dialect.sent(task)))
        first = True
        async for piece in request.app[TASKS].follow(task):
            await events.send(rpc.result(call.id, dialect.piece(task, piece, first=first)))
            first = False
        await events.send(rpc.result(call.id, dialect.status(task)))
    return events.response


def _result(call: Call, content: object) -> web.Response:
    return web.Response(body=rpc.result(call.id, content), content_type="application/json")


_METHODS: Mapping[str, tuple[Dialect, Answer]] = {
    "SendMessage": (V1, _send),
    "SendStreamingMessage": (V1, _send_streaming),
    "GetTask": (V1, _get),
    "CancelTask": (V1, _cancel),
    "SubscribeToTask": (V1, _subscribe),
    "message/send": (V0_3, _send),
    "message/stream": (V0_3, _send_streaming),
    "tasks/get": (V0_3, _get),
    "tasks/cancel": (V0_3, _cancel),
    "tasks/resubscribe": (V0_3, _subscribe),
}
_NO_PUSH = (rpc.PUSH_NOTIFICATION_NOT_SUPPORTED, "The agent sends no push notifications")
_REFUSED: Mapping[str, tuple[int, str]] = {
    "ListTasks": (rpc.UNSUPPORTED_OPERATION, "Tasks are not listed"),
    "GetExtendedAgentCard": (rpc.UNSUPPORTED_OPERATION, "There is no extended card"),
    "agent/getAuthenticatedExtendedCard": (rpc.UNSUPPORTED_OPERATION, "There is no extended card"),
} | {
    method: _NO_PUSH
    for verb, old in (("Create", "set"), ("Get", "get"), ("List", "list"), ("Delete", "delete"))
    for method in (
        f"{verb}TaskPushNotificationConfig{'s' if verb == 'List' else ''}",
        f"tasks/pushNotificationConfig/{old}",
    )
}
