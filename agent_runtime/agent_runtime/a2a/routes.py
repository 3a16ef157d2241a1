"""Routes of A2A: the agent card, and /a2a for all JSON-RPC calls."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import orjson
from aiohttp import web

from agent_runtime.a2a import card, rpc
from agent_runtime.a2a.dialects import V0_3, V1, Dialect
from agent_runtime.a2a.params import SendParams, TaskParams, read
from agent_runtime.a2a.rpc import Call, RpcError
from agent_runtime.a2a.service import TaskService
from agent_runtime.a2a.shared import SHARED, SharedTasks
from agent_runtime.a2a.tasks import Task, TaskStore
from agent_runtime.config import AgentConfig, LimitsConfig
from agent_runtime.environment import Environment
from agent_runtime.http.app_keys import AGENT
from agent_runtime.http.middleware import CALLER, LOG_FIELDS, too_large
from agent_runtime.http.routes.body import read_bytes
from agent_runtime.http.routes.chat import store_key
from agent_runtime.http.routes.events import EventStream
from agent_runtime.logs import pseudonym

TASKS = web.AppKey("a2a_tasks", TaskService)
Method = Callable[[web.Request, Call, Dialect], Awaitable[web.StreamResponse]]


def add_a2a(app: web.Application, config: AgentConfig, environment: Environment) -> None:
    """Add the routes. The application must have its agent before it runs the startup hook of this function."""

    async def show_card(request: web.Request) -> web.Response:
        """GET /.well-known/agent-card.json."""
        body = orjson.dumps(card.card(config, environment, card.base_url(config, request)))
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-cache"})

    async def run(app: web.Application) -> AsyncIterator[None]:
        # A task runs even if no request waits for it, so the limit for requests applies to tasks too.
        limits = config.limits or LimitsConfig()
        store = TaskStore(max_running=limits.max_concurrent_requests)
        redis = app.get(SHARED)
        shared = SharedTasks(redis) if redis is not None else None
        app[TASKS] = tasks = TaskService(app[AGENT], store, shared)
        yield
        await tasks.aclose()

    app.router.add_get(card.PATH, show_card)
    app.router.add_post("/a2a", handle_call)
    app.cleanup_ctx.append(run)


async def handle_call(request: web.Request) -> web.StreamResponse:
    """POST /a2a: one JSON-RPC call. Errors are JSON-RPC errors, but refusals by API key or limits are problems."""
    call_id: rpc.Id = None
    try:
        call = rpc.parse(await _body(request))
        call_id = call.id
        dialect, method = _method(request, call)
        return await method(request, call, dialect)
    except RpcError as error:
        request[LOG_FIELDS]["code"] = error.code
        body = rpc.error_response(call_id, error)
        return web.Response(status=error.status, body=body, content_type="application/json")


def _method(request: web.Request, call: Call) -> tuple[Dialect, Method]:
    protocol = request.headers.get("A2A-Version", "")
    if protocol and not protocol.startswith(("0.3", "1.")):
        raise RpcError(rpc.VERSION_NOT_SUPPORTED, "A2A-Version: not supported: use 1.0 or 0.3")
    if call.method in _UNSUPPORTED:
        raise RpcError(*_UNSUPPORTED[call.method])
    if call.method not in _METHODS:
        raise RpcError(rpc.METHOD_NOT_FOUND, "method: unknown: use a method of A2A 1.0 or 0.3")
    return _METHODS[call.method]


async def _body(request: web.Request) -> bytes:
    if request.content_type != "application/json":
        # Browsers let forms and scripts of other origins send text without a preflight, but not JSON.
        raise RpcError(rpc.INVALID_REQUEST, "Content-Type: must be application/json", 415)
    try:
        return await read_bytes(request)
    except web.HTTPRequestEntityTooLarge:
        raise RpcError(rpc.INVALID_REQUEST, too_large(request), 413) from None


async def _send(request: web.Request, call: Call, dialect: Dialect) -> web.Response:
    params = read(SendParams, call.params)
    task = await _begin(request, params)
    if params.configuration.waits and task.work is not None:
        try:
            await asyncio.wait([task.work])
        except asyncio.CancelledError:
            # The caller disconnected before it got the id of the task, so it can never ask for the result.
            await request.app[TASKS].cancel(task)
            raise
    return _result(call, dialect.sent(task, params.configuration.history_length))


async def _send_streaming(request: web.Request, call: Call, dialect: Dialect) -> web.StreamResponse:
    return await _stream(request, call, dialect, await _begin(request, read(SendParams, call.params)))


async def _subscribe(request: web.Request, call: Call, dialect: Dialect) -> web.StreamResponse:
    task = await _find(request, read(TaskParams, call.params))
    if task.ended:
        raise RpcError(rpc.UNSUPPORTED_OPERATION, "The task has ended: get it instead")
    return await _stream(request, call, dialect, task)


async def _get(request: web.Request, call: Call, dialect: Dialect) -> web.Response:
    params = read(TaskParams, call.params)
    return _result(call, dialect.task(await _find(request, params), params.history_length))


async def _cancel(request: web.Request, call: Call, dialect: Dialect) -> web.Response:
    task = await _find(request, read(TaskParams, call.params))
    if task.ended:
        raise RpcError(rpc.TASK_NOT_CANCELABLE, "The task has already ended")
    return _result(call, dialect.task(await request.app[TASKS].cancel(task)))


async def _begin(request: web.Request, params: SendParams) -> Task:
    configuration, message = params.configuration, params.message
    if configuration.push_notification_config or configuration.task_push_notification_config:
        raise RpcError(*_NO_PUSH)
    if message.task_id:
        await _find(request, TaskParams(id=message.task_id))
        detail = "params.message.taskId: a task takes one message: send the next one with contextId only"
        raise RpcError(rpc.UNSUPPORTED_OPERATION, detail)
    task = Task(request[CALLER], message.context_id or "", message.message_id, message.text)
    task.context_id = task.context_id or task.id
    request[LOG_FIELDS]["session"] = pseudonym(task.context_id)
    await request.app[TASKS].begin(task, store_key(request, task.context_id))
    return task


async def _find(request: web.Request, params: TaskParams) -> Task:
    task = await request.app[TASKS].find(params.id, request[CALLER])
    if task is None:
        raise RpcError(rpc.TASK_NOT_FOUND, "The task does not exist or has expired: send the message again")
    return task


async def _stream(request: web.Request, call: Call, dialect: Dialect, task: Task) -> web.StreamResponse:
    """Stream the task, then its answer in parts, then its final state."""
    async with EventStream(request) as events:
        await events.send(rpc.result(call.id, dialect.sent(task)))
        first = True
        async for part in request.app[TASKS].follow(task):
            await events.send(rpc.result(call.id, dialect.artifact_update(task, part, first=first)))
            first = False
        await events.send(rpc.result(call.id, dialect.status_update(task)))
    return events.response


def _result(call: Call, content: object) -> web.Response:
    return web.Response(body=rpc.result(call.id, content), content_type="application/json")


_METHODS: Mapping[str, tuple[Dialect, Method]] = {
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
_NO_PUSH = (
    rpc.PUSH_NOTIFICATION_NOT_SUPPORTED,
    "The agent does not support push notifications: poll or subscribe to the task",
)
_UNSUPPORTED: Mapping[str, tuple[int, str]] = {
    "ListTasks": (rpc.UNSUPPORTED_OPERATION, "The agent does not list tasks: get one by its id"),
    "GetExtendedAgentCard": (rpc.UNSUPPORTED_OPERATION, "The agent has no extended card"),
    "agent/getAuthenticatedExtendedCard": (rpc.UNSUPPORTED_OPERATION, "The agent has no extended card"),
} | {
    method: _NO_PUSH
    for verb, old in (("Create", "set"), ("Get", "get"), ("List", "list"), ("Delete", "delete"))
    for method in (
        f"{verb}TaskPushNotificationConfig{'s' if verb == 'List' else ''}",
        f"tasks/pushNotificationConfig/{old}",
    )
}
