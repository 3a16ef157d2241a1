"""`pods/NAME/portforward`: connects streams of a client with ports of a pod, as SPDY/3.1 in a WebSocket."""

import asyncio
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web

from localkube.apiserver.http import spdy
from localkube.apiserver.http.route import Target
from localkube.apiserver.registry import Registry
from localkube.meta import status

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
_CHUNK = 32 * 1024
_CONNECT_SECONDS = 5.0
_MAX_STREAMS = 1_000


async def forward(registry: Registry, request: web.BaseRequest, target: Target) -> web.StreamResponse:
    """Serve one client until it disconnects. Raises ApiError 400, 404."""
    pod = registry.get(target.resource.key, target.namespace, target.name)
    address = (pod.get("status") or {}).get("podIP")
    if not address:
        raise status.bad_request(f"unable to forward port because pod is not running: pod {target.name} has no address")
    socket = web.WebSocketResponse(protocols=(PROTOCOL,))
    if not socket.can_prepare(request).ok:
        raise status.bad_request("unable to upgrade: use kubectl 1.31 or newer, which forwards ports by WebSocket")
    await socket.prepare(request)
    session = _Session(socket, str(address))
    try:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            await session.receive(message.data)
    except spdy.SpdyError:
        await socket.close(code=aiohttp.WSCloseCode.PROTOCOL_ERROR)
    finally:
        await session.close()
    return socket


class _Session:
    """The streams of one client. A forwarded connection has two: one for data and one for the error."""

    def __init__(self, socket: web.WebSocketResponse, address: str) -> None:
        self._socket = socket
        self._address = address
        self._decoder, self._encoder = spdy.Decoder(), spdy.Encoder()
        # The streams for errors, by the id of the request.
        self._errors: dict[str, int] = {}
        self._connections: dict[int, _Connection] = {}

    async def receive(self, data: bytes) -> None:
        """Handle the bytes of a client. Raises SpdyError."""
        for frame in self._decoder.feed(data):
            match frame:
                case spdy.Opened():
                    await self._open(frame)
                case spdy.Data() if connection := self._connections.get(frame.stream):
                    await connection.write(frame.data, ends=frame.ends)
                case spdy.Reset() if dropped := self._connections.pop(frame.stream, None):
                    dropped.task.cancel()
                case spdy.Ping():
                    await self._send(self._encoder.ping(frame.payload))

    async def close(self) -> None:
        """Close all connections to the pod."""
        tasks = [connection.task for connection in self._connections.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self, frame: spdy.Opened) -> None:
        if len(self._errors) + len(self._connections) >= _MAX_STREAMS:
            raise spdy.SpdyError("too many streams")
        await self._send(self._encoder.reply(frame.stream))
        request, port = frame.headers.get("requestid", ""), frame.headers.get("port", "")
        if frame.headers.get("streamtype") == "error":
            self._errors[request] = frame.stream
            return
        if not port.isdecimal():
            raise spdy.SpdyError("a stream without a port")
        connection = _Connection()
        self._connections[frame.stream] = connection
        error_stream = self._errors.pop(request, 0)
        connection.task = asyncio.create_task(self._run(connection, int(port), frame.stream, error_stream))

    async def _run(self, connection: "_Connection", port: int, stream: int, error_stream: int) -> None:
        """Copy what the pod sends to the client, then end both streams."""
        error = ""
        try:
            async for chunk in connection.read(self._address, port):
                await self._send(self._encoder.data(stream, chunk))
        except (OSError, TimeoutError) as failure:
            error = f"error forwarding port {port} to pod: {failure or 'timeout'}"
        self._connections.pop(stream, None)
        await self._send(self._encoder.data(stream, b"", ends=True))
        await self._send(self._encoder.data(error_stream, error.encode(), ends=True))

    async def _send(self, data: bytes) -> None:
        with suppress(ConnectionError):
            await self._socket.send_bytes(data)


class _Connection:
    """A connection to a port of the pod. What the client sends before it is open, waits."""

    task: "asyncio.Task[None]"

    def __init__(self) -> None:
        self._writer: asyncio.Future[asyncio.StreamWriter | None] = asyncio.get_running_loop().create_future()

    async def read(self, address: str, port: int) -> Any:
        """Connect and yield what the pod sends. Raises OSError, TimeoutError."""
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(address, port)
        except BaseException:
            self._writer.set_result(None)
            raise
        self._writer.set_result(writer)
        try:
            while chunk := await reader.read(_CHUNK):
                yield chunk
        finally:
            writer.close()

    async def write(self, data: bytes, *, ends: bool) -> None:
        """Send data to the pod. Data for a closed connection is dropped."""
        writer = await self._writer
        with suppress(OSError, RuntimeError):
            if writer is not None and not writer.is_closing():
                writer.write(data)
                await writer.drain()
                if ends and writer.can_write_eof():
                    writer.write_eof()
