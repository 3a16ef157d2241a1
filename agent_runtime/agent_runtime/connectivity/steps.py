"""Connects to a server step by step: DNS, TCP, the proxy and TLS. Each step is bounded in time."""

import asyncio
import base64
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from agent_runtime import connection_faults
from agent_runtime.config.addresses import is_refused
from agent_runtime.config.terminal import one_line
from agent_runtime.connectivity.targets import Target

STEP_SECONDS = 4.0
# A little less, for steps that know the cause when the time is over.
_OWN_SECONDS = 3.6
_MOST_ADDRESSES = 8
_LONGEST_ANSWER = 8192
_OK = range(200, 300)


class StepError(Exception):
    """A step failed. The message has the remedy, and quotes nothing that the server sent."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one step.

    Attributes:
        name: dns, tcp, proxy, tls, http or redis.
        milliseconds: how long it took.
        detail: what was found, such as addresses.
        reason: why it failed, in PascalCase; empty if it did not.
        message: the cause and the remedy; empty if it did not fail.
        expires: end of the server's certificate (RFC 3339).
    """

    name: str
    milliseconds: float
    detail: str = ""
    reason: str = ""
    message: str = ""
    expires: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the step as the report has it."""
        found: dict[str, Any] = {"name": self.name, "status": "failed" if self.reason else "ok"}
        found["milliseconds"] = self.milliseconds
        others = {"detail": self.detail, "reason": self.reason, "message": self.message, "expires": self.expires}
        return found | {name: value for name, value in others.items() if value}


async def timed(name: str, run: Awaitable[tuple[str, str]], seconds: float = STEP_SECONDS) -> Step:
    """Wait for the detail and the expiry that a step finds, at most so many seconds."""
    start = time.perf_counter()
    detail, expires, reason, message = "", "", "", ""
    try:
        async with asyncio.timeout(seconds):
            detail, expires = await run
    except StepError as error:
        reason, message = error.reason, str(error)
    except TimeoutError:
        reason, message = "ResponseTimeout", f"no answer within {seconds:g} s: check the server, and the network to it"
    return Step(name, round((time.perf_counter() - start) * 1000, 1), detail, reason, message, expires)


async def connect(target: Target) -> list[Step]:
    """Return the steps to a server, up to the first that fails."""
    host, port = (target.proxy.host, target.proxy.port) if target.proxy else (target.host, target.port)
    connection = Connection(target)
    stages: list[tuple[str, Callable[[], Awaitable[tuple[str, str]]]]] = [
        ("dns", lambda: connection.resolve(host, port)),
        ("tcp", lambda: connection.open(host, port)),
    ]
    if target.proxy is not None and target.tls:
        stages.append(("proxy", connection.through_proxy))
    if target.tls:
        stages.append(("tls", connection.start_tls))
    steps: list[Step] = []
    try:
        for name, stage in stages:
            steps.append(await timed(name, stage()))
            if steps[-1].reason:
                break
    finally:
        connection.close()
    return steps


class Connection:
    """A connection that is opened in steps."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._addresses: list[str] = []
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def resolve(self, host: str, port: int) -> tuple[str, str]:
        """Resolve a host."""
        try:
            async with asyncio.timeout(_OWN_SECONDS):
                found = await _in_daemon_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except TimeoutError:
            message = (
                "the resolver does not answer: check the DNS of the cluster, and whether a NetworkPolicy blocks it"
            )
            raise StepError("DnsTimeout", message) from None
        except (OSError, UnicodeError) as error:
            fault = connection_faults.explain(error, f"{host}:{port}")
            raise StepError(connection_faults.HOST_UNKNOWN, fault.message) from None
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        allowed = addresses if self._target.allow_link_local else [it for it in addresses if not is_refused(it)]
        if not allowed:
            message = (
                f"{host} is a link-local or metadata address, which the agent refuses: correct {self._target.field}"
            )
            raise StepError("AddressForbidden", message)
        self._addresses = allowed[:_MOST_ADDRESSES]
        return ", ".join(self._addresses), ""

    async def open(self, host: str, port: int) -> tuple[str, str]:
        """Connect to the first address that accepts."""
        failure: Exception = OSError("no address")
        for address in self._addresses:
            try:
                async with asyncio.timeout(_OWN_SECONDS / len(self._addresses)):
                    self._reader, self._writer = await asyncio.open_connection(address, port, limit=_LONGEST_ANSWER)
            except (OSError, TimeoutError) as error:
                failure = error
            else:
                return address, ""
        fault = connection_faults.explain(failure, f"{host}:{port}")
        raise StepError(fault.reason, fault.message)

    async def through_proxy(self) -> tuple[str, str]:
        """Ask the proxy for a tunnel."""
        proxy, reader, writer = self._target.proxy, self._reader, self._writer
        if proxy is None or reader is None or writer is None:
            return "", ""
        address = f"{proxy.host}:{proxy.port}"
        try:
            if proxy.tls:
                await writer.start_tls(ssl.create_default_context(), server_hostname=proxy.host)
            writer.write(_tunnel_request(self._target.address, proxy.login))
            await writer.drain()
            status = _status(await reader.readuntil(b"\r\n\r\n"))
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            fault = connection_faults.explain(error, address)
            raise StepError(fault.reason, f"the proxy: {fault.message}") from None
        if status not in _OK:
            hint = "correct its user and password" if status == 407 else f"let it connect to {self._target.address}"  # noqa: PLR2004
            raise StepError("ProxyRefused", f"the proxy {address} refuses the tunnel with status {status}: {hint}")
        return address, ""

    async def start_tls(self) -> tuple[str, str]:
        """Check the certificate of the server as the agent does."""
        target, writer = self._target, self._writer
        if writer is None:
            return "", ""
        try:
            context = ssl.create_default_context()
            if target.ca_file:
                context.load_verify_locations(target.ca_file)
        except (OSError, ValueError) as error:
            reason = "contains no valid certificates" if isinstance(error, ssl.SSLError) else "cannot be read"
            raise StepError("NotConfigured", f"{target.ca_file}: {reason}: correct it") from None
        try:
            await writer.start_tls(context, server_hostname=target.server_name or target.host)
        except (OSError, EOFError, ValueError) as error:
            fault = connection_faults.explain(error, target.address)
            raise StepError(fault.reason, fault.message) from None
        return _certificate(writer)

    def close(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.transport.abort()


def _certificate(writer: asyncio.StreamWriter) -> tuple[str, str]:
    peer, cipher = writer.get_extra_info("peercert") or {}, writer.get_extra_info("cipher")
    end = peer.get("notAfter")
    protocol = str(cipher[1]) if cipher else "TLS"
    if not isinstance(end, str):
        return protocol, ""
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC)
    return f"{protocol}, the certificate is valid until {expires:%Y-%m-%d}", expires.strftime("%Y-%m-%dT%H:%M:%SZ")


def _tunnel_request(address: str, login: tuple[str, str] | None) -> bytes:
    lines = [f"CONNECT {address} HTTP/1.1", f"Host: {address}"]
    if login is not None:
        credentials = ":".join(map(unquote, login)).encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(credentials).decode()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii", errors="replace")


def _status(answer: bytes) -> int:
    parts = one_line(answer[:64].decode("ascii", errors="replace")).split()
    return int(parts[1]) if len(parts) > 1 and parts[0].startswith("HTTP/") and parts[1][:3].isdecimal() else 0


async def _in_daemon_thread(function: Callable[[], Any]) -> Any:
    """Run a function that cannot be cancelled. The thread does not delay the end of the process."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if result.done():
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)

    def run() -> None:
        try:
            value, error = function(), None
        except (OSError, UnicodeError) as failure:
            value, error = None, failure
        loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, daemon=True).start()
    return await result
