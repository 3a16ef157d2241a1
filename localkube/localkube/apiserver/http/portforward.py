"""`pods/NAME/portforward`: connections of `kubectl port-forward`, which are SPDY streams inside a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from localkube.apiserver import status
from localkube.apiserver.http import spdy

if TYPE_CHECKING:
    from collections.abc import Callable

    from localkube.apiserver.http.route import Target
    from localkube.apiserver.registry import Registry
    from localkube.apiserver.status import Object

PROTOCOL = "SPDY/3.1+portforward.k8s.io"


@dataclass(slots=True)
class _Pair:
    """The two streams of one connection: one for bytes, one for what went wrong."""

    data: int = 0
    error: int = 0
    received: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)  # b"" is the end


async def forward(
    registry: Registry, request: web.BaseRequest, target: Target, port_of: Callable[[Object, int], int]
) -> web.StreamResponse:
    """Serve one `kubectl port-forward` until either side ends it; ApiError 400, 404."""
    pod = registry.writer.live(target.resource, target.namespace, target.name).object
    address = (pod.get("status") or {}).get("podIP")
    if (pod.get("status") or {}).get("phase") != "Running" or not address:
        raise status.bad_request("unable to forward port because pod is not running.")
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    if request.headers.get("Upgrade", "").lower() != "websocket" or PROTOCOL not in offered:
        raise status.bad_request(f"want a WebSocket of the protocol {PROTOCOL}, as kubectl 1.31 and later")
    socket = web.WebSocketResponse(protocols=(PROTOCOL,), max_msg_size=0)
    await socket.prepare(request)

    def located(port: int) -> tuple[str, int]:
        return address, port_of(pod, port)

    await _Tunnel(socket, located).run()
    return socket


class _Tunnel:
    """All connections of one WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, located: Callable[[int], tuple[str, int]]) -> None:
        self._socket = socket
        self._located = located
        self._session = spdy.Session()
        self._pairs: dict[str, _Pair] = {}  # by the request's id
        self._streams: dict[int, _Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the client hangs up."""
        try:
            async for message in self._socket:
                if message.type != WSMsgType.BINARY:
                    break
                for frame in self._session.receive(message.data):
                    await self._take(frame)
        except ValueError:
            await self._socket.close(code=1002, message=b"not SPDY/3.1")
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, frame: spdy.Frame) -> None:
        if frame.kind == spdy.SYN_STREAM:
            await self._open(frame)
        elif frame.kind == spdy.PING:
            await self._send(spdy.pong(frame))
        elif frame.kind in (0, spdy.RST_STREAM):
            pair = self._streams.get(frame.stream)
            if pair is not None and frame.stream == pair.data:
                if frame.data and frame.kind == 0:
                    pair.received.put_nowait(frame.data)
                if frame.is_last or frame.kind == spdy.RST_STREAM:
                    pair.received.put_nowait(b"")

    async def _open(self, frame: spdy.Frame) -> None:
        """A new stream; with the second of a pair, the connection is made."""
        headers = frame.headers
        pair = self._pairs.setdefault(headers.get("requestid", ""), _Pair())
        self._streams[frame.stream] = pair
        await self._send(self._session.reply(frame.stream))
        if headers.get("streamtype") == "error":
            pair.error = frame.stream
            return
        pair.data = frame.stream
        self._pairs.pop(headers.get("requestid", ""), None)
        task = asyncio.create_task(self._connect(pair, headers.get("port", "")))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, pair: _Pair, port: str) -> None:
        try:
            host, number = self._located(int(port))
            reader, writer = await asyncio.open_connection(host, number)
        except (OSError, ValueError) as error:
            why = f"an error occurred forwarding {port}: {error}"
            await self._send(spdy.data(pair.error, why.encode(), last=True))
            await self._send(spdy.data(pair.data, b"", last=True))
            return
        try:
            await self._exchange(pair, reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._streams.pop(pair.data, None)
            self._streams.pop(pair.error, None)

    async def _exchange(self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bytes both ways until the pod has said all, which is when the client may close too."""
        sending = asyncio.create_task(_pump(pair.received, writer))
        try:
            with contextlib.suppress(OSError):
                while content := await reader.read(spdy.LONGEST_DATA):
                    await self._send(spdy.data(pair.data, content))
            await self._send(spdy.data(pair.data, b"", last=True))
            await self._send(spdy.data(pair.error, b"", last=True))
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, frames: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the client has gone: its messages end too
            await self._socket.send_bytes(frames)


async def _pump(received: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
    """Write what the client sends; its end is the end of what the pod gets."""
    with contextlib.suppress(OSError):
        while content := await received.get():
            writer.write(content)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
