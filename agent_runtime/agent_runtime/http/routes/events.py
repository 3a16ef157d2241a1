"""Responses as server-sent events."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

import orjson
from aiohttp import web

from agent_runtime.errors import Problem, error_body
from agent_runtime.http.app_keys import KEEP_ALIVE
from agent_runtime.http.middleware import LOG_FIELDS, REQUEST_ID, unexpected_error
from agent_runtime.models.sse import event

EVENT_STREAM = "text/event-stream"
# Seconds to wait for the first event before the response starts without one. Most errors occur earlier, also after all
# retries, and so are ordinary error responses.
START = 2.0
# Clients ignore a comment.
_COMMENT = b": keep-alive\n\n"


class EventStream:
    """A response of server-sent events, which starts with the first event or after START seconds.

    A problem before the start becomes an ordinary error response. A later problem becomes the last event. Comments
    between the events keep the connection open: proxies close connections that are silent for long.
    """

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._interval = request.app[KEEP_ALIVE]
        self._last_write = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._commenting: asyncio.Task[None] | None = None
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
        self._timer = self._loop.call_later(min(START, self._interval), self._comment_or_wait)
        return self

    async def send(self, data: bytes, kind: bytes = b"") -> None:
        """Send one event; `kind` is its name."""
        await self._write(event(data, kind))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        await self._stop_comments()
        if not self.response.prepared or not isinstance(error, Exception) or isinstance(error, ConnectionError):
            return False
        problem = error if isinstance(error, Problem) else unexpected_error(self._request, error)
        self._request[LOG_FIELDS]["code"] = problem.code
        body = error_body(problem, self._request.path)
        # Clients of OpenAI's API recognise an error by the field `error` of an event without a name.
        await self.send(orjson.dumps(body), b"" if "error" in body else b"error")
        return True

    async def _write(self, data: bytes) -> None:
        # prepare() and write() only wait after they have written, so events and comments do not mix.
        self._last_write = self._loop.time()
        if not self.response.prepared:
            await self.response.prepare(self._request)
        await self.response.write(data)

    def _comment_or_wait(self) -> None:
        """Send a comment if nothing was sent for the interval, and set the timer again."""
        silence = self._loop.time() - self._last_write
        if silence >= self._interval and (self._commenting is None or self._commenting.done()):
            self._commenting = self._loop.create_task(self._comment())
            silence = 0.0
        self._timer = self._loop.call_later(max(self._interval - silence, 0.01), self._comment_or_wait)

    async def _comment(self) -> None:
        with suppress(ConnectionError):  # the server cancels the handler of a client that has disconnected
            await self._write(_COMMENT)

    async def _stop_comments(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._commenting is not None and not self._commenting.done():
            self._commenting.cancel()
            await asyncio.wait([self._commenting])
