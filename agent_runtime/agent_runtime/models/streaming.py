"""How to stream from a model: some models refuse stream_options, and some may not stream at all."""

import re
import time
from collections.abc import AsyncIterator, Callable
from enum import IntEnum

import aiohttp

from agent_runtime import untrusted_json
from agent_runtime.errors import Problem
from agent_runtime.models import chunks, responses, sse
from agent_runtime.models.base import Json

_REFUSING = frozenset({400, 422})
# Seconds after which a model that refused to stream is asked again.
REMEMBERED_SECONDS = 600.0
_PARAMS = frozenset({"stream", "stream_options"})
# Fields that say nothing about how to stream. A model may refuse to stream with others, such as audio.
_USUAL = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature"),
        *("top_p", "seed", "stop", "user", "presence_penalty", "frequency_penalty", "reasoning_effort"),
    }
)
_OF_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
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


class StreamModes:
    """The mode with which requests to a model begin: what it refused is left out for some minutes."""

    def __init__(self, first: StreamMode, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = self._remembered = first
        self._clock = clock
        self._until = float("-inf")

    @property
    def current(self) -> StreamMode:
        """The mode of the next request."""
        return self._remembered if self._clock() < self._until else self._first

    def remember(self, mode: StreamMode, *, concerns_all: bool) -> None:
        """Begin with a mode that worked from now on, if the model refused another one to all callers."""
        if concerns_all:
            self._remembered, self._until = mode, self._clock() + REMEMBERED_SECONDS


def concerns_all(request: Json, param: str | None) -> bool:
    """Return whether a model that refused this request to stream would refuse those of other callers, too.

    Otherwise one caller could end the streams of all others.

    Args:
        request: of the caller.
        param: the field that the model named.
    """
    if (request.get("stream_options") or {}).keys() - {"include_usage"} or param not in {*_PARAMS, None}:
        return False
    fields = {name for name, value in request.items() if value is not None}
    usual = _USUAL | _OF_TOOLS if param else _USUAL
    return fields <= usual and all(map(_is_text, request["messages"]))


def _is_text(message: Json) -> bool:
    content = message.get("content")
    return not isinstance(content, list) or all(part.get("type") == "text" for part in content)


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
