"""Read and validate the bodies of requests, and build JSON responses."""

import asyncio
from typing import Any, TypeVar

import orjson
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic import BaseModel, ConfigDict, ValidationError

from agent_runtime import untrusted_json
from agent_runtime.config import explain
from agent_runtime.errors import Problem
from agent_runtime.http.app_keys import GATE
from agent_runtime.http.middleware import BODY_BYTES

# Seconds for a body, and bytes per second for which a long one gets more time.
READ_TIMEOUT = 30.0
MIN_RATE = 128 * 1024
JSON_TYPE = "application/json"
# To build them per response would cost as much as to serialize it.
_JSON_HEADERS = CIMultiDictProxy(CIMultiDict({"Content-Type": JSON_TYPE}))


class Body(BaseModel):
    """The body of a request: immutable, and without conversion of types."""

    model_config = ConfigDict(frozen=True, strict=True)


AnyBody = TypeVar("AnyBody", bound=BaseModel)


async def read_bytes(request: web.Request) -> bytes:
    """Read the body.

    Raises:
        Problem: the body did not arrive in time, its encoding is invalid, or too many large bodies are in flight.
        HTTPRequestEntityTooLarge: the body is longer than limits.max_body_bytes.
    """
    try:
        if request.content.is_eof():
            # The body of most requests arrives with the head. Then a timeout is not needed.
            return _arrived(request)
        return await _read_in_parts(request)
    except TimeoutError:
        raise Problem(408, "request_timeout", "The body did not arrive in time: send it faster") from None
    except web.RequestPayloadError:
        raise Problem(
            400, "invalid_body", "The body does not match Content-Encoding or Transfer-Encoding: correct it"
        ) from None


def _arrived(request: web.Request) -> bytes:
    """Return a body that has arrived completely. request.read() would take six times as long."""
    content, limit = request.content, request.client_max_size
    body = content.read_nowait()
    while not content.at_eof():
        # A body that was compressed may be in parts.
        body += content.read_nowait()
        if len(body) > limit:
            break
    if len(body) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, len(body))
    return body


async def _read_in_parts(request: web.Request) -> bytes:
    limit, load, loop = request.client_max_size, request.app[GATE].load, asyncio.get_running_loop()
    if (request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, request.content_length or 0)
    body, start = bytearray(), loop.time()
    async with asyncio.timeout(READ_TIMEOUT) as timeout:
        async for part in request.content.iter_any():
            load.reserve_body(len(part))
            request[BODY_BYTES] = len(body) + len(part)
            body += part
            if len(body) > limit:
                raise web.HTTPRequestEntityTooLarge(limit, len(body))
            timeout.reschedule(start + READ_TIMEOUT + len(body) / MIN_RATE)
    return bytes(body)


async def read_object(request: web.Request) -> dict[str, Any]:
    """Read the body as a JSON object.

    Raises:
        Problem: the body is no JSON object, or a web page sent it with another Content-Type than JSON.
    """
    # Browsers let a page of any origin send plain text, but not JSON, without a preflight. Programs send no Origin.
    if "Origin" in request.headers and request.content_type != JSON_TYPE:
        raise Problem(415, "unsupported_media_type", "Content-Type: must be application/json")
    body = await read_bytes(request)
    try:
        parsed = untrusted_json.loads(body)
    except untrusted_json.InvalidJsonError as error:
        raise Problem(400, "invalid_json", f"The body is not valid JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise Problem(400, "invalid_json", "The body must be a JSON object")
    return parsed


def validated(kind: type[AnyBody], fields: dict[str, Any]) -> AnyBody:
    """Validate the fields of a body.

    Raises:
        Problem: a field is invalid. The detail names the first one and does not quote its value.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        detail = explain(error).partition("\n")[0]
        raise Problem(400, "invalid_request", detail, param=detail.partition(": ")[0]) from None


def json_response(content: Any, status: int = 200) -> web.Response:
    """Return a JSON response."""
    return web.Response(status=status, body=orjson.dumps(content), headers=_JSON_HEADERS)
