"""Client connections with a time limit for the head of a request. aiohttp itself only limits the idle time."""

import asyncio
import functools
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

# Longer than the idle timeout of common load balancers, so that the balancer closes idle connections, not the agent.
KEEPALIVE = 75.0
# Seconds from the first byte of a head to its last. A head fits into a few packets.
HEAD_TIMEOUT = 20.0
# Seconds between checks of the connections that close_idle() closes.
_CHECK_INTERVAL = 0.05
_OPTIONS: Mapping[str, Any] = {"keepalive_timeout": KEEPALIVE, "access_log": None}
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(RequestHandler):
    """The connection of one client. The time limit applies neither to an idle connection nor to a running request."""

    __slots__ = ("_head_timer",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._head_timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        if self._awaits_head():
            # Clients may send line breaks after a body. They do not start a head.
            if self._head_timer is None and data.strip(b"\r\n"):
                self._head_timer = asyncio.get_running_loop().call_later(HEAD_TIMEOUT, self._time_out)
        elif self._head_timer is not None:
            self._stop_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol."""
        self._stop_timer()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request is running and none has started to arrive."""
        return self._awaits_head() and self._head_timer is None

    def _awaits_head(self) -> bool:
        # aiohttp resolves this future when the next complete head has arrived.
        return self._waiter is not None and not self._waiter.done()

    def _time_out(self) -> None:
        if self._awaits_head() and self.transport is not None:
            self.transport.write(_TOO_SLOW)
            self.force_close()

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
