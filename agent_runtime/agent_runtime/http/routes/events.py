"""Responses as server-sent events."""

from types import TracebackType
from typing import Self

import orjson
from aiohttp import web

from agent_runtime.errors import Problem, error_body
from agent_runtime.http.middleware import LOG_FIELDS, REQUEST_ID
from agent_runtime.models.sse import event

EVENT_STREAM = "text/event-stream"


class EventStream:
    """A response of server-sent events, which starts with the first event.

    A problem before the first event becomes an ordinary error response. A later problem becomes the last event.
    """

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response = web.StreamResponse(
            headers={
                "Content-Type": EVENT_STREAM,
                "Cache-Control": "no-cache",
                # Without this header, nginx buffers the events.
                "X-Accel-Buffering": "no",
                REQUEST_ID: request[LOG_FIELDS]["request_id"],
            }
        )

    async def __aenter__(self) -> Self:
        return self

    async def send(self, data: bytes, kind: bytes = b"") -> None:
        """Send one event; `kind` is its name."""
        if not self.response.prepared:
            await self.response.prepare(self._request)
        await self.response.write(event(data, kind))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Problem) or not self.response.prepared:
            return False
        self._request[LOG_FIELDS]["code"] = error.code
        body = error_body(error, self._request.path)
        # Clients of OpenAI's API recognise an error by the field `error` of an event without a name.
        await self.send(orjson.dumps(body), b"" if "error" in body else b"error")
        return True
