"""How to stream from a model: some models refuse stream_options, and some may not stream at all."""

import re
from collections.abc import AsyncIterator
from enum import IntEnum

import aiohttp

from agent_runtime import untrusted_json
from agent_runtime.errors import Problem
from agent_runtime.models import chunks, responses, sse
from agent_runtime.models.base import Json

_REFUSING = frozenset({400, 422})
_STREAMING = re.compile(r"\b(stream|streams|streaming|streamed|stream_options|include_usage)\b")


class StreamMode(IntEnum):
    """How a model streams. Each mode asks less of the server than the one before."""

    WITH_USAGE = 0
    """With stream_options, so that the last chunk has the usage."""
    PLAIN = 1
    """Without stream_options. The usage is estimated if the server does not send it."""
    NONE = 2
    """Not at all: the complete answer becomes one chunk."""


class StreamingRefused(Problem):
    """The server may have refused a request because of `stream` or `stream_options`."""


def mentions_streaming(status: int, answer: bytes) -> bool:
    """Return whether a refusal names `stream` or `stream_options`, as the parameter, as the code or in its message."""
    if status not in _REFUSING:
        return False
    try:
        untrusted_json.loads(answer)
    except untrusted_json.InvalidJsonError:
        return False
    return bool(_STREAMING.search(answer.decode(errors="replace").lower()))


def in_mode(request: Json, mode: StreamMode) -> Json:
    """Return the body of a chat completion request in a mode."""
    fields = {name: value for name, value in request.items() if name not in {"stream", "stream_options"}}
    if mode is StreamMode.NONE:
        return fields
    if mode is StreamMode.PLAIN:
        return fields | {"stream": True}
    options = request.get("stream_options")
    return fields | {"stream": True, "stream_options": (options or {}) | {"include_usage": True}}


async def event_stream(model: str, response: aiohttp.ClientResponse) -> sse.Parts:
    """Return the events of a response to a request with `stream`. Some servers ignore it and send one JSON object.

    Raises:
        Problem: that object is an error or no chat completion.
        aiohttp.ClientPayloadError: the response is too long or incomplete.
    """
    body = await whole_object(response)
    if body is None:
        return response.content
    if not body.lstrip().startswith(b"{"):
        return _Body(body)
    events = [*chunks.as_chunks(chunks.completion(model, body)), sse.DONE]
    return _Body(b"".join(map(sse.event, events)))


async def whole_object(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the JSON object that a server sent instead of events; None if it sends events.

    Raises:
        aiohttp.ClientPayloadError: the response is too long or incomplete.
    """
    return await responses.read(response) if response.content_type == "application/json" else None


class _Body:
    """A body that has arrived completely."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body
