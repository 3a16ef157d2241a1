"""Middleware of every request: request id, admission, metrics, one log line, and errors as JSON."""

import logging
import random
import re
import time
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from agent_runtime.errors import Problem, error_response
from agent_runtime.http.app_keys import CLIENTS, GATE, HEALTH, METRICS, REQUEST_LOG

# The routes that need an API key and count against the limits. Health and the chat page are open.
GUARDED = ("/v1/", "/api/", "/a2a")
CALLER = web.RequestKey("caller", str)
# Bytes of the body that the request has reserved.
BODY_BYTES = web.RequestKey("body_bytes", int)
LOG_FIELDS = web.RequestKey("log_fields", dict[str, Any])
REQUEST_ID = "X-Request-Id"
# An id of a request is no secret. The operating system's random numbers would cost a system call per request.
_REQUEST_IDS = random.Random()  # noqa: S311
# Accept a request id of the caller only if it is safe in a header and in a log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# The status that nginx logs for a client that disconnected before the response.
CLIENT_CLOSED_REQUEST = 499

log = logging.getLogger(__name__)


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle a request, count it, observe its duration and log it."""
    start = time.perf_counter()
    app, route = request.app, _route(request)
    metrics = app[METRICS]
    fields: dict[str, Any] = {"request_id": _request_id(request), "method": request.method, "route": route}
    request[LOG_FIELDS] = fields
    fields["client"] = app[CLIENTS].of(request)
    status = CLIENT_CLOSED_REQUEST
    metrics.in_flight += 1
    try:
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001  (of a defect, the log has it)
            response = _error_response(request, error)
        status = response.status
        response.headers[REQUEST_ID] = fields["request_id"]
        return response
    finally:
        metrics.in_flight -= 1
        seconds = time.perf_counter() - start
        metrics.count_request(route, status, seconds)
        fields |= {"status": status, "duration_ms": round(seconds * 1000, 1)}
        # The kubelet probes every few seconds, so log its requests only at level DEBUG.
        level = logging.DEBUG if route.startswith("/health") else logging.INFO
        app[REQUEST_LOG].write(level, fields)


async def send_connection_close(request: web.Request, response: web.StreamResponse) -> None:
    """While the pod drains, send "Connection: close" and close the connection after the response.

    A handler of aiohttp's signal on_response_prepare. Responses that started before SIGTERM are not changed: their head
    promised to keep the connection, and the client would lose the request that it sends next.
    """
    if request.app[HEALTH].draining:
        response.force_close()
        response.headers["Connection"] = "close"


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle a request only if its caller may call the agent and no limit is reached."""
    if not request.path.startswith(GUARDED):
        return await handler(request)
    gate = request.app[GATE]
    request[CALLER] = await gate.admit(request.headers.get("Authorization", ""), request[LOG_FIELDS]["client"])
    with gate.load:
        try:
            return await handler(request)
        finally:
            gate.load.release_body(request.get(BODY_BYTES, 0))


def _error_response(request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, Problem):
        request[LOG_FIELDS]["code"] = error.code
        return error_response(error, request.path)
    if isinstance(error, web.HTTPException):
        return _from_aiohttp(error, request)
    if isinstance(error, ConnectionResetError):
        # The client disconnected before the response, which is no error of the agent.
        return web.Response(status=CLIENT_CLOSED_REQUEST)
    return error_response(unexpected_error(request, error), request.path)


def unexpected_error(request: web.Request, error: Exception) -> Problem:
    """Log a defect, and return the problem for the caller."""
    log.error("unexpected error", exc_info=error, extra={"fields": request[LOG_FIELDS]})
    return Problem(500, "internal_error", "The agent failed: see its log for the cause")


def too_large(request: web.Request) -> str:
    """Return the message of a 413."""
    return f"The body exceeds the limit of {request.client_max_size} bytes (limits.maxBodyBytes): send a smaller one"


def _from_aiohttp(error: web.HTTPException, request: web.Request) -> web.Response:
    detail = too_large(request) if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else ""
    phrase = HTTPStatus(error.status).phrase
    response = error_response(Problem(error.status, _code(phrase), detail or phrase), request.path)
    if allow := error.headers.get("Allow"):
        response.headers["Allow"] = allow
    return response


def _code(phrase: str) -> str:
    return re.sub(r"[^a-z]+", "_", phrase.lower())


def _route(request: web.Request) -> str:
    """Return the pattern of the route. Callers choose paths freely, so a path as a label would flood the metrics."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def _request_id(request: web.Request) -> str:
    sent = request.headers.get(REQUEST_ID, "")
    if sent and _REQUEST_ID.fullmatch(sent):
        return sent
    return f"{_REQUEST_IDS.getrandbits(128):032x}"
