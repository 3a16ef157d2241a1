"""HTTP to an MCP server, with limits on what its responses may contain."""

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from http import HTTPStatus

import httpx2

from agent_runtime.tools.guard import GuardedTransport
from agent_runtime.tools.limits import Meter, StreamMeter, TooMuchDataError

# Adds the context of the current trace to headers.
Propagate = Callable[[MutableMapping[str, str]], None]
# A response that is compressed although no request accepts that could become a thousand times as long.
REQUEST_HEADERS = {"Accept-Encoding": "identity"}
# Seconds between GET requests. The SDK opens the stream of notifications again as soon as the server closes it.
GET_INTERVAL = 1.0
SESSION_HEADER = "mcp-session-id"
_MESSAGES = ("application/json", "text/event-stream")
# With these a server refuses a session that it does not know, 404 according to the specification.
_SESSION_REFUSED = (400, 404, 410)


class BoundedTransport(GuardedTransport):
    """Limits each response as limits.Meter does. A longer one breaks off with httpx2.ReadError.

    Attributes:
        unusable: status and content type of the last response that contains no message, which the SDK's error lacks.
        refused_session: status with which the server refused a request of a session; None if it did not.
    """

    def __init__(self, *, allow_link_local: bool = False, proxy: str | None = None, propagate: Propagate) -> None:
        super().__init__(allow_link_local=allow_link_local, proxy=proxy)
        self._next_get = 0.0
        self._propagate = propagate
        self.unusable: tuple[int, str] | None = None
        self.refused_session: int | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; see GuardedTransport.

        Raises:
            httpx2.ReadError: the response is compressed.
        """
        if request.method == "GET":
            await self._pause()
        self._propagate(request.headers)
        response = await super().handle_async_request(request)
        self._record(request, response)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.ReadError("the server compresses a response, which the request does not accept")
        if isinstance(response.stream, httpx2.AsyncByteStream):
            endless = request.method == "GET" and response.headers.get("Content-Type", "").startswith(_MESSAGES[1])
            response.stream = _BoundedStream(response.stream, StreamMeter() if endless else Meter())
        return response

    def _record(self, request: httpx2.Request, response: httpx2.Response) -> None:
        """Keep what the SDK does not report."""
        status, kind = response.status_code, response.headers.get("Content-Type", "").partition(";")[0].strip()
        has_message = status == HTTPStatus.OK and kind.lower() in _MESSAGES
        # A server need not offer the stream of notifications that a session opens with GET.
        matters = request.method == "POST" or (request.method == "GET" and SESSION_HEADER not in request.headers)
        if matters and status != HTTPStatus.ACCEPTED:
            self.unusable = None if has_message else (status, kind)
        if request.method == "POST" and SESSION_HEADER in request.headers and status in _SESSION_REFUSED:
            self.refused_session = status

    async def _pause(self) -> None:
        now = asyncio.get_running_loop().time()
        pause, self._next_get = self._next_get - now, max(now, self._next_get) + GET_INTERVAL
        if pause > 0:
            await asyncio.sleep(pause)


class _BoundedStream(httpx2.AsyncByteStream):
    """The body of a response, up to the limits."""

    def __init__(self, stream: httpx2.AsyncByteStream, meter: Meter | StreamMeter) -> None:
        self._stream = stream
        self._meter = meter

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            try:
                self._meter.count(part)
            except TooMuchDataError as error:
                raise httpx2.ReadError(f"the server {error}") from None
            yield part

    async def aclose(self) -> None:
        """Close the connection of the response."""
        await self._stream.aclose()
