"""Around every request: an id, metrics, one line of log, and every error as JSON."""

import logging
import re
import secrets
import time
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from agent_runtime.errors import Problem, render
from agent_runtime.http.keys import GATE, HEALTH, METRICS

# Behind these somebody may be answered; health and the chat page are for everybody.
GUARDED = ("/v1/", "/api/", "/a2a")
CALLER = web.RequestKey("caller", str)
LOG_FIELDS = web.RequestKey("log_fields", dict[str, Any])
REQUEST_ID = "X-Request-Id"
# The application reads no more than this of a request.
MAX_BODY_BYTES = 1024 * 1024
# Only what is harmless in a header and in a log is taken over from the caller.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# nginx's code for a client that went away before the answer.
CLIENT_CLOSED_REQUEST = 499

log = logging.getLogger(__name__)


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer, count, time and log a request."""
    start = time.perf_counter()
    metrics, route = request.app[METRICS], _route(request)
    fields: dict[str, Any] = {"request_id": _request_id(request), "method": request.method, "route": route}
    request[LOG_FIELDS] = fields
    status = CLIENT_CLOSED_REQUEST
    metrics.inflight.inc()
    try:
        response = await _answered(request, handler)
        status = response.status
        response.headers[REQUEST_ID] = fields["request_id"]
        return response
    finally:
        metrics.inflight.dec()
        seconds = time.perf_counter() - start
        metrics.count_request(route, status, seconds)
        fields |= {"status": status, "duration_ms": round(seconds * 1000, 1)}
        # Probes come every few seconds for ever.
        log.log(logging.DEBUG if route.startswith("/health") else logging.INFO, "request", extra={"fields": fields})


async def say_goodbye(request: web.Request, response: web.StreamResponse) -> None:
    """End the connection with this answer, and say so in its head, when the pod is going: a signal of aiohttp's.

    To close one whose head has told nothing of it, as that of a stream which began before, would lose the next request.
    """
    if request.app[HEALTH].draining:
        response.force_close()
        response.headers["Connection"] = "close"


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        if not request.path.startswith(GUARDED):
            return await handler(request)
        gate = request.app[GATE]
        request[CALLER] = gate.admit(request.headers.get("Authorization", ""), request.remote or "")
        with gate.load:
            return await handler(request)
    except Problem as problem:
        request[LOG_FIELDS]["code"] = problem.code
        return render(problem, request.path)
    except web.HTTPException as error:
        return _from_aiohttp(error, request)
    except ConnectionResetError:
        # The client went away before its answer: nobody is there to read one, and nothing is wrong.
        return web.Response(status=CLIENT_CLOSED_REQUEST)
    except Exception:
        log.exception("unexpected error", extra={"fields": request[LOG_FIELDS]})
        return render(Problem(500, "internal_error", "The agent failed; its log says where"), request.path)


def _from_aiohttp(error: web.HTTPException, request: web.Request) -> web.Response:
    detail = f"At most {MAX_BODY_BYTES} bytes are read" if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else ""
    phrase = HTTPStatus(error.status).phrase
    response = render(Problem(error.status, _code(phrase), detail or phrase), request.path)
    if allow := error.headers.get("Allow"):
        response.headers["Allow"] = allow
    return response


def _code(phrase: str) -> str:
    return re.sub(r"[^a-z]+", "_", phrase.lower())


def _route(request: web.Request) -> str:
    """The route's pattern, of which there are few; a path is the caller's choice and would flood the metrics."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID, "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
