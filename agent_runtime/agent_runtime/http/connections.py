"""Client connections with a time limit for the head of a request. aiohttp itself only limits the idle time."""

import asyncio
import functools
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

# Longer than the idle timeout of common load balancers, so that the balancer closes idle connections, not the agent.
KEEPALIVE = 75.0
# Seconds from the connection, or from the first byte of a later head, to its last byte. A head fits into a few packets.
HEAD_TIMEOUT = 20.0
# Seconds between checks of the connections that close_idle() closes.
_CHECK_INTERVAL = 0.05
_OPTIONS: Mapping[str, Any] = {"keepalive_timeout": KEEPALIVE, "access_log": None}
# The attribute in which aiohttp keeps the future of the next head.
_WAITER: Any = RequestHandler.__dict__["_waiter"]
_HEAD_ENDS = (b"\r\n\r\n", b"\n\n")
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(RequestHandler):
    """The connection of one client. Neither an idle connection nor a running request has this time limit.

    The limit starts with the connection, and later with the first byte of each head. If this byte arrives while another
    request is running, the limit starts when that request has ended.
    """

    __slots__ = ("_head_timer", "_last_bytes", "_message", "_partial_head", "_payload")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._head_timer: asyncio.TimerHandle | None = None
        # Whether a part of the next head has arrived.
        self._partial_head = False
        self._last_bytes = b""
        self._message: Any = None
        self._payload: Any = None
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        requests, payload = self._request_count, self._payload
        received, ended = (0, True) if payload is None else (payload.total_bytes, payload.is_eof())
        super().data_received(data)
        if self._request_count > requests:
            self._stop_timer()
            received, ended = 0, False
            if self._messages:
                self._message, self._payload = self._messages[-1]
        if ended:
            # Clients may send line breaks after a body. They do not start a head.
            self._partial_head = self._partial_head or bool(data.strip(b"\r\n"))
        else:
            self._partial_head = self._payload.is_eof() and not self._ends_with_body(data, received)
        self._last_bytes = (self._last_bytes + data[-4:])[-4:]
        if self._partial_head and self._awaits_head():
            self._start_timer()

    def _ends_with_body(self, data: bytes, received: int) -> bool:
        """Return whether data, in which a body ends, ends there. `received` bytes of the body arrived before."""
        length = 0 if getattr(self._message, "chunked", False) else self._payload.total_bytes - received
        for extra in (0, 2):  # a line break after the body
            end = len(data) - length - extra
            if received and end <= 0:
                return True
            if end >= len(_HEAD_ENDS[0]):
                ends = data.endswith(_HEAD_ENDS, 0, end)
            else:
                ends = (self._last_bytes + data[: max(end, 0)]).endswith(_HEAD_ENDS)
            if ends:
                return True
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol."""
        self._stop_timer()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request is running and none has started to arrive."""
        return self._awaits_head() and not self._partial_head

    @property
    def _waiter(self) -> Any:
        # aiohttp resolves this future when the next complete head has arrived.
        return _WAITER.__get__(self)

    @_waiter.setter
    def _waiter(self, waiter: Any) -> None:
        _WAITER.__set__(self, waiter)
        if waiter is not None and self._partial_head:
            self._start_timer()

    def _awaits_head(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _time_out(self) -> None:
        self._head_timer = None
        if self._awaits_head() and self.transport is not None:
            if self._partial_head:
                self.transport.write(_TOO_SLOW)
            self.force_close()

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = asyncio.get_running_loop().call_later(HEAD_TIMEOUT, self._time_out)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Site(web.SockSite):
    """An aiohttp site whose connections are instances of Connection."""

    async def start(self) -> None:
        """Start to listen."""
        await web.BaseSite.start(self)
        loop = asyncio.get_running_loop()
        # BaseSite.start() has checked that the runner has a server.
        manager = cast("web.Server", self._runner.server)
        connection = functools.partial(Connection, manager, loop=loop, **_OPTIONS)
        self._server = await loop.create_server(connection, sock=self._sock, backlog=self._backlog)


async def close_idle(server: web.Server, linger: float) -> None:
    """Close each connection after it has been idle for `linger` seconds; return when all are closed.

    aiohttp would close a connection at the end of its response. But a response that started before SIGTERM promised in
    its head to keep the connection. A busy gateway sends the next request within a millisecond, and would lose it.
    """
    loop = asyncio.get_running_loop()
    idle_since: dict[RequestHandler, float] = {}
    while connections := server.connections:
        now = loop.time()
        idle = [connection for connection in connections if isinstance(connection, Connection) and connection.is_idle]
        idle_since = {connection: idle_since.get(connection, now) for connection in idle}
        for connection, since in idle_since.items():
            if now - since >= linger:
                connection.force_close()
        await asyncio.sleep(_CHECK_INTERVAL)
