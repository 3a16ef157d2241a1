"""The actions of probes and lifecycle hooks: an HTTP request, a TCP connection, a command."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from localkube.meta.status import Object
from localkube.node.guard import kill_group

OUTPUT = 10 * 1024  # bytes of output that an Event quotes
SUCCESS = range(200, 400)
KILLED = 9

PortOf = Callable[[int | str], int]


class HandlerError(Exception):
    """The action failed. The message is worded like the kubelet's."""


@dataclass(frozen=True, slots=True)
class HandlerTarget:
    """The container of an action: its address, and the environment of a command."""

    host: str
    port: PortOf  # a number or the name of a port → the port on `host`
    env: Mapping[str, str]
    cwd: Path
    client: aiohttp.ClientSession


async def run_handler(handler: Object, target: HandlerTarget, seconds: float) -> None:
    """Execute the action of a probe or a hook within `seconds`. Raises HandlerError on failure."""
    if "httpGet" in handler:
        await _within(seconds, _http(handler["httpGet"], target), "context deadline exceeded")
    elif "tcpSocket" in handler:
        await _within(seconds, _tcp(handler["tcpSocket"], target), "i/o timeout")
    elif "exec" in handler:
        await _within(seconds, _exec(handler["exec"]["command"], target), f"command timed out after {seconds:g}s")
    elif "sleep" in handler:
        await asyncio.sleep(min(handler["sleep"]["seconds"], seconds))
    else:
        raise HandlerError(f"the local cluster does not support {', '.join(handler)}")


async def _within(seconds: float, action: Awaitable[None], late: str) -> None:
    # asyncio.wait_for of Python 3.11 loses a cancellation that arrives together with the result.
    try:
        async with asyncio.timeout(seconds):
            await action
    except TimeoutError as error:
        raise HandlerError(late) from error


async def _http(action: Object, target: HandlerTarget) -> None:
    scheme = action.get("scheme", "HTTP").lower()
    host = action.get("host") or target.host
    path = action.get("path", "/")
    url = f"{scheme}://{host}:{target.port(action['port'])}/{path.removeprefix('/')}"
    headers = {"User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"}
    headers |= {h["name"]: h["value"] for h in action.get("httpHeaders") or ()}
    try:
        async with target.client.get(url, headers=headers, allow_redirects=False, ssl=False) as response:
            if response.status not in SUCCESS:
                raise HandlerError(f"HTTP probe failed with statuscode: {response.status}")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise HandlerError(f'Get "{url}": {_reason(error)}') from error


def _reason(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ConnectionRefusedError):
        return "connect: connection refused"
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return "EOF"
    return str(cause) or type(cause).__name__


async def _tcp(action: Object, target: HandlerTarget) -> None:
    host = action.get("host") or target.host
    port = target.port(action["port"])
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise HandlerError(f"dial tcp {host}:{port}: {_reason(error)}") from error
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _exec(command: list[str], target: HandlerTarget) -> None:
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            env=target.env,
            cwd=target.cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise HandlerError(f'exec: "{command[0]}": {error}') from error
    try:
        output, _ = await child.communicate()
    finally:
        kill_group(child.pid, KILLED)
        await child.wait()
    if child.returncode:
        text = output[:OUTPUT].decode(errors="replace").strip()
        raise HandlerError(text or f"command terminated with exit code {child.returncode}")
