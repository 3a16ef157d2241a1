"""Bodies of the responses of a model's server, read within bounds and checked."""

from http import HTTPStatus
from typing import Any

import aiohttp

from agent_runtime import untrusted_json
from agent_runtime.errors import Problem
from agent_runtime.models.base import Json
from agent_runtime.models.refusals import refused

MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024


async def read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body of a response.

    Raises:
        aiohttp.ClientPayloadError: it is longer than MAX_ANSWER_BYTES, or incomplete.
    """
    answer = bytearray()
    async for chunk in response.content.iter_any():
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError("too long")
    return bytes(answer)


async def read_error(response: aiohttp.ClientResponse) -> bytes:
    """Return the first MAX_ERROR_BYTES of the body of an error. More could only be discarded."""
    answer = bytearray()
    async for chunk in response.content.iter_any():
        answer += chunk
        if len(answer) >= MAX_ERROR_BYTES:
            break
    return bytes(answer[:MAX_ERROR_BYTES])


def completion(model: str, answer: bytes) -> Json:
    """Return the chat completion in a response body.

    Raises:
        Problem: the body is no chat completion.
    """
    parsed = _parsed(answer)
    if not parsed or not parsed.get("choices") or not _well_formed(parsed, "message"):
        raise Problem(502, "model_bad_response", f"{model}: the model's server sent no chat completion")
    return parsed


def check_chunk(model: str, data: bytes) -> None:
    """Check that the data of an event is a chunk of a completion, so that later code can rely on its shape.

    Raises:
        Problem: it is something else, or an error.
    """
    if data.startswith(b'{"error"'):
        raise refused(model, HTTPStatus.INTERNAL_SERVER_ERROR, {}, data)
    parsed = _parsed(data)
    if not parsed or not _well_formed(parsed, "delta"):
        raise Problem(502, "model_bad_response", f"{model}: the model's server sent an event that is no chunk")


def _parsed(answer: bytes) -> Json:
    try:
        parsed = untrusted_json.loads(answer)
    except untrusted_json.InvalidJsonError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _well_formed(parsed: Json, message_key: str) -> bool:
    """Return whether the fields of a completion or chunk that the runtime reads have the right types."""
    choices, usage = parsed.get("choices"), parsed.get("usage")
    if not isinstance(choices, list) or not isinstance(usage, dict | None):
        return False
    return all(isinstance(choice, dict) and _is_message(choice.get(message_key)) for choice in choices)


def _is_message(message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    calls = message.get("tool_calls")
    texts = (message.get("content"), message.get("refusal"))
    return all(isinstance(text, str | None) for text in texts) and (
        calls is None
        or (isinstance(calls, list) and all(isinstance(call, dict) and _is_function(call) for call in calls))
    )


def _is_function(call: Json) -> bool:
    function = call.get("function")
    if not isinstance(call.get("index"), int | None):
        return False
    return function is None or (
        isinstance(function, dict) and all(isinstance(function.get(part), str | None) for part in ("name", "arguments"))
    )
