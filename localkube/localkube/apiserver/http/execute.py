"""`pods/NAME/exec` over a WebSocket, without stdin and terminal. Each message begins with the number of its channel."""

import asyncio
import json
import os
import signal
from contextlib import suppress

from aiohttp import web

from localkube.apiserver.execution import Executor
from localkube.meta import status
from localkube.meta.status import ApiError, Object

_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDOUT, _STDERR, _ERROR = b"\x01", b"\x02", b"\x03"
_CHUNK = 32 * 1024


async def execute(executor: Executor, request: web.BaseRequest, pod: Object, container: str) -> web.StreamResponse:
    """Run the command of the query, and stream its output. Raises ApiError 400 or 501 before the upgrade."""
    socket = web.WebSocketResponse(protocols=_PROTOCOLS)
    if not socket.can_prepare(request).ok:
        raise status.bad_request("unable to upgrade: use kubectl 1.31 or newer, which executes by WebSocket")
    if any(request.query.get(name) == "true" for name in ("stdin", "tty")):
        raise status.not_implemented("pods/exec with stdin or a terminal")
    await socket.prepare(request)
    received = asyncio.create_task(_receive(socket))
    try:
        process = await executor.execute(pod, container, request.query.getall("command", []))
        result = _status(await _stream(socket, process))
    except ApiError as error:
        result = error.status
    finally:
        received.cancel()
    await socket.send_bytes(_ERROR + json.dumps(result).encode())
    await socket.close()
    return socket


async def _stream(socket: web.WebSocketResponse, process: asyncio.subprocess.Process) -> int:
    """Send the output of a process, and return its exit code. The process ends with the connection."""
    try:
        await asyncio.gather(_copy(socket, process.stdout, _STDOUT), _copy(socket, process.stderr, _STDERR))
        return await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _receive(socket: web.WebSocketResponse) -> None:
    """Answer pings."""
    async for _ in socket:
        pass


async def _copy(socket: web.WebSocketResponse, stream: asyncio.StreamReader | None, channel: bytes) -> None:
    while stream is not None and (data := await stream.read(_CHUNK)):
        await socket.send_bytes(channel + data)


def _status(code: int) -> Object:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
