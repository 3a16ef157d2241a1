"""Connections that do not wait for ever for a request's head; aiohttp itself only bounds how long one may be idle."""

import asyncio
import functools
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

# Longer than what load balancers keep idle connections for, so that it is they who close them.
KEEPALIVE = 75.0
# From a head's first byte to its last. A head fits into a few packets.
HEAD_TIMEOUT = 20.0
# Seconds between looks at connections that are to be closed.
_LOOK = 0.05
_OPTIONS: Mapping[str, Any] = {"keepalive_timeout": KEEPALIVE, "access_log": None}
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(RequestHandler):
    """A client's connection. Idle ones, and requests under way, are left alone."""

    __slots__ = ("_head_timer",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._head_timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        if self._waits_for_a_request():
            # A line break after a body begins no head.
            if self._head_timer is None and data.strip(b"\r\n"):
                self._head_timer = asyncio.get_running_loop().call_later(HEAD_TIMEOUT, self._give_up)
        elif self._head_timer is not None:
            self._stop_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol."""
        self._stop_timer()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way: no request, and none that has begun to arrive."""
        return self._waits_for_a_request() and self._head_timer is None

    def _waits_for_a_request(self) -> bool:
        # aiohttp's own sign of an idle connection: the future that the next whole head resolves.
        return self._waiter is not None and not self._waiter.done()

    def _give_up(self) -> None:
        if self._waits_for_a_request() and self.transport is not None:
            self.transport.write(_TOO_SLOW)
            self.force_close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Site(web.SockSite):
    """Listens for such connections."""

    async def start(self) -> None:
        """Begin to listen."""
        await web.BaseSite.start(self)
        loop = asyncio.get_running_loop()
        # BaseSite has seen that there is one.
        manager = cast("web.Server", self._runner.server)
        connection = functools.partial(Connection, manager, loop=loop, **_OPTIONS)
        self._server = await loop.create_server(connection, sock=self._sock, backlog=self._backlog)


async def let_go(server: web.Server, linger: float) -> None:
    """Close each connection once it has been idle for so many seconds; return when all are closed.

    aiohttp itself would close one as its answer ends. But whose answer began before the agent was asked to leave was
    told that the connection is kept, and a busy gateway sends the next request within a millisecond: in vain.
    """
    loop = asyncio.get_running_loop()
    idle: dict[RequestHandler, float] = {}
    while connections := server.connections:
        now = loop.time()
        idle = {it: idle.get(it, now) for it in connections if isinstance(it, Connection) and it.is_idle}
        for connection, since in idle.items():
            if now - since >= linger:
                connection.force_close()
        await asyncio.sleep(_LOOK)
