"""Reading requests and writing answers."""

import asyncio
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from agent_runtime.config import explain
from agent_runtime.errors import Problem

# A body of the greatest size over a slow line.
READ_TIMEOUT = 30.0
JSON_TYPE = "application/json"


class Body(BaseModel):
    """A request's body: immutable and of exactly the types it says."""

    model_config = ConfigDict(frozen=True, strict=True)


AnyBody = TypeVar("AnyBody", bound=Body)


async def read_bytes(request: web.Request) -> bytes:
    """The body.

    Raises:
        Problem: it did not arrive in time.
        HTTPRequestEntityTooLarge: it is longer than middleware.MAX_BODY_BYTES.
    """
    if request.content.is_eof():
        # All of it came with the head, as most do: nothing to wait for.
        return await request.read()
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            return await request.read()
    except TimeoutError:
        raise Problem(408, "request_timeout", f"The body did not arrive within {READ_TIMEOUT:g} seconds") from None


async def read_object(request: web.Request) -> dict[str, Any]:
    """The JSON object in the body.

    Raises:
        Problem: the body is no JSON object, or comes from a page and is not said to be JSON.
    """
    # A page of another origin may send plain text without asking first, but not JSON. Programs send no Origin.
    if "Origin" in request.headers and request.content_type != JSON_TYPE:
        raise Problem(415, "unsupported_media_type", "Send the body as Content-Type: application/json")
    body = await read_bytes(request)
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise Problem(400, "invalid_json", f"The body is not valid JSON: {where}") from None
    if not isinstance(parsed, dict):
        raise Problem(400, "invalid_json", "The body must be a JSON object")
    return parsed


def validated(kind: type[AnyBody], fields: dict[str, Any]) -> AnyBody:
    """The body as its model.

    Raises:
        Problem: names the first field at fault; its value is not quoted.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        fault = explain(error).partition("\n")[0]
        raise Problem(400, "invalid_request", fault, param=fault.partition(": ")[0]) from None


def answer(content: Any, status: int = HTTPStatus.OK) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")
