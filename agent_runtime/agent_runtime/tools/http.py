"""HTTP to an MCP server, with limits on what its responses may contain."""

import asyncio
from collections.abc import AsyncIterator

import httpx2

from agent_runtime.tools.guard import GuardedTransport
from agent_runtime.tools.limits import Meter, TooMuchDataError

# A response that is compressed although no request accepts that could become a thousand times as long.
REQUEST_HEADERS = {"Accept-Encoding": "identity"}
# Seconds between GET requests. The SDK opens the stream of notifications again as soon as the server closes it.
GET_INTERVAL = 1.0


class BoundedTransport(GuardedTransport):
    """Limits each response as limits.Meter does. A longer one breaks off with httpx2.ReadError."""

    def __init__(self, *, allow_link_local: bool = False, proxy: str | None = None) -> None:
        super().__init__(allow_link_local=allow_link_local, proxy=proxy)
        self._next_get = 0.0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; see GuardedTransport.

        Raises:
            httpx2.ReadError: the response is compressed.
        """
        if request.method == "GET":
            await self._pause()
        response = await super().handle_async_request(request)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.ReadError("the server compresses a response, which the request does not accept")
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _BoundedStream(response.stream)
        return response

    async def _pause(self) -> None:
        now = asyncio.get_running_loop().time()
        pause, self._next_get = self._next_get - now, max(now, self._next_get) + GET_INTERVAL
        if pause > 0:
            await asyncio.sleep(pause)


class _BoundedStream(httpx2.AsyncByteStream):
    """The body of a response, up to the limits."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream
        self._meter = Meter()

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
