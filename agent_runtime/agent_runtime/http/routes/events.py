"""Answers that are sent while they come into being."""

from types import TracebackType
from typing import Self

import orjson
from aiohttp import web

from agent_runtime.errors import Problem, as_json
from agent_runtime.http.middleware import LOG_FIELDS, REQUEST_ID
from agent_runtime.models.sse import event

EVENT_STREAM = "text/event-stream"


class EventStream:
    """Server-sent events. It begins with the first event: a problem before that is an ordinary answer.

    A problem after that is an event of its own, and the last.
    """

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response = web.StreamResponse(
            headers={
                "Content-Type": EVENT_STREAM,
                "Cache-Control": "no-cache",
                # nginx would otherwise collect the events.
                "X-Accel-Buffering": "no",
                REQUEST_ID: request[LOG_FIELDS]["request_id"],
            }
        )

    async def __aenter__(self) -> Self:
        return self

    async def send(self, data: bytes, kind: bytes = b"") -> None:
        """Send an event now."""
        if not self.response.prepared:
            await self.response.prepare(self._request)
        await self.response.write(event(data, kind))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Problem) or not self.response.prepared:
            return False
        self._request[LOG_FIELDS]["code"] = error.code
        told = as_json(error, self._request.path)
        await self.send(orjson.dumps(told), b"" if "error" in told else b"error")
        return True
