"""One connection to an MCP server: its transport, and why it ended."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Generator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
from mcp import MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

from agent_runtime import connection_faults
from agent_runtime.config import McpServerConfig
from agent_runtime.connection_faults import ConnectionFault
from agent_runtime.health import UnhealthyError
from agent_runtime.models.headers import content_of
from agent_runtime.proxies import proxy_of
from agent_runtime.tools.http import REQUEST_HEADERS, BoundedTransport, Propagate
from agent_runtime.tools.limits import MAX_MESSAGE_BYTES, TooMuchDataError
from agent_runtime.tools.stdio import ProcessEnd, stdio_transport
from agent_runtime.tools.toolbox import ToolError
from agent_runtime.trust import BUNDLE_VARIABLES, EXTRA_VARIABLE

CONNECT_TIMEOUT = 10.0
# Seconds between lists of the tools, which detect new tools and dead connections.
REFRESH = 30.0
# Characters of a server's error in health and logs.
MAX_FAULT_CHARS = 300
# Variables of the network that every program gets: the proxy and the certificate authorities.
_NETWORK = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", *BUNDLE_VARIABLES, EXTRA_VARIABLE)
_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
# With these, servers that know only the legacy transport refuse the first request of streamable HTTP.
_LEGACY_STATUSES = (400, 404, 405, 406, 415, 501)
# Shorter values of variables may be ordinary words.
_MIN_SECRET = 6


class NotConfiguredError(Exception):
    """A variable that the config names is missing, or has a value that no header can carry."""


def innermost(error: BaseException | None) -> BaseException | None:
    """Return the first error of the groups in which task groups wrap it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class Link:
    """A connection to a server, over a transport of its own. Create it in the event loop that uses it.

    Attributes:
        calls: the calls of tools that are in flight.
        ended: done when the connection has ended.
    """

    def __init__(self, config: McpServerConfig, propagate: Propagate, *, legacy: bool = False) -> None:
        self.is_legacy = legacy
        self._config = config
        self._propagate = propagate
        self._http: BoundedTransport | None = None
        self._end = ProcessEnd()
        self.calls: set[asyncio.Task[CallToolResult]] = set()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def transport(self) -> AsyncIterator[Any]:
        """Yield the transport for the SDK's client.

        Raises:
            NotConfiguredError: a variable of a header is missing.
        """
        config = self._config
        if config.type == "stdio":
            environment = {name: os.environ[name] for name in (*config.env, *_NETWORK) if name in os.environ}
            yield stdio_transport(config.command or "", config.args, environment, self._end)
        elif self.is_legacy:
            idle = config.timeout_seconds + REFRESH
            headers = _headers(config)
            yield sse_client(config.url or "", headers, CONNECT_TIMEOUT, idle, httpx_client_factory=self._client)
        else:
            timeout = httpx2.Timeout(CONNECT_TIMEOUT, read=config.timeout_seconds + REFRESH)
            async with self._client(_headers(config), timeout) as client:
                url = config.url or ""
                yield streamable_http_client(url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES)

    def _client(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        self._http = BoundedTransport(
            allow_link_local=self._config.allow_link_local,
            proxy=proxy_of(self._config.url or ""),
            propagate=self._propagate,
        )
        all_headers = REQUEST_HEADERS | (headers or {})
        auth = _FileToken(self._config.token_file) if self._config.token_file else auth
        return httpx2.AsyncClient(headers=all_headers, transport=self._http, timeout=timeout, auth=auth)

    async def result(self, request: Coroutine[Any, Any, CallToolResult]) -> CallToolResult:
        """Return the result of a call of a tool.

        Raises:
            MCPError: the call failed.
            ToolError: the connection ended first, which the SDK does not always report.
        """
        call = asyncio.create_task(request)
        self.calls.add(call)
        try:
            await asyncio.wait((call, self.ended), return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                raise ToolError("the connection to the tool's server was lost")
            return call.result()
        finally:
            self.calls.discard(call)
            call.cancel()

    @property
    def may_be_legacy(self) -> bool:
        """Whether the server refused streamable HTTP in a way that servers of the legacy transport do."""
        unusable = self._http.unusable if self._http and not self.is_legacy else None
        return unusable is not None and unusable[0] in _LEGACY_STATUSES

    def has_lost_session(self, error: BaseException | None) -> bool:
        """Return whether a request failed because the server has forgotten the session, as after a restart."""
        error = innermost(error)
        if not isinstance(error, MCPError):
            return False
        status = self._http.refused_session if self._http else None
        return status in {404, 410} or (status is not None and "session" in str(error).lower())

    @property
    def stderr(self) -> str:
        """The end of what a process wrote to stderr, without the values of the variables that it gets."""
        text = self._end.stderr.decode(errors="replace")
        for name in self._config.env:
            if len(value := os.environ.get(name, "")) >= _MIN_SECRET:
                text = text.replace(value, "***")
        return text.strip()

    def explain(self, error: BaseException | None) -> ConnectionFault:
        """Return why the connection failed or ended."""
        error = innermost(error)
        if isinstance(error, NotConfiguredError):
            return ConnectionFault("NotConfigured", str(error))
        found = self._of_process(error) if self._config.type == "stdio" else self._of_http(error)
        if found is not None:
            return found
        harmless = isinstance(error, OSError | httpx2.ConnectError | TooMuchDataError) and str(error)
        text = str(error)[:MAX_FAULT_CHARS] if harmless else type(error).__name__
        return ConnectionFault(connection_faults.FAILED, f"cannot be reached: {text}")

    def _of_process(self, error: BaseException | None) -> ConnectionFault | None:
        program, status = self._config.command, self._end.status
        if isinstance(error, FileNotFoundError | PermissionError):
            return ConnectionFault("ProgramUnusable", f"{program} cannot be run: {error.strerror}: correct command")
        if isinstance(error, TooMuchDataError):
            return None
        if status is not None:
            how = f"with status {status}" if status >= 0 else f"by signal {-status}"
            return ConnectionFault("ProcessExited", f"{program} ended {how}: the agent's log has the end of its stderr")
        if isinstance(error, TimeoutError):
            return ConnectionFault(
                "ResponseTimeout", f"{program} did not answer within {CONNECT_TIMEOUT:g} s: check that it speaks MCP"
            )
        return None

    def _of_http(self, error: BaseException | None) -> ConnectionFault | None:
        url = httpx2.URL(self._config.url or "")
        address = f"{url.host}:{url.port or _PORTS.get(url.scheme, 0)}"
        if isinstance(error, MCPError | httpx2.HTTPStatusError) and self._http and self._http.unusable:
            return _of_response(address, *self._http.unusable, has_headers=bool(self._config.headers_from))
        if isinstance(error, MCPError):
            message = f"{address} answers with the MCP error {error.error.code}: check that server"
            return ConnectionFault("ProtocolError", message)
        found = connection_faults.explain(error or ConnectionError(), address)
        if found.reason == connection_faults.FAILED:
            return None
        return ConnectionFault(found.reason, f"cannot be reached: {found.message}")


def _of_response(address: str, status: int, kind: str, *, has_headers: bool) -> ConnectionFault:
    """Return what a response without a message means."""
    if status in {401, 403}:
        remedy = "correct the variables of headersFrom" if has_headers else "set its credentials in headersFrom"
        return ConnectionFault("CredentialsRefused", f"{address} refuses the credentials (HTTP {status}): {remedy}")
    if status in {404, 410}:
        message = f"{address} has no MCP endpoint at the path of the URL (HTTP {status}): correct url"
        return ConnectionFault("EndpointNotFound", message)
    if status == 429 or status >= 500:  # noqa: PLR2004
        return ConnectionFault("ServerError", f"{address} fails with HTTP {status}: check that server")
    if 300 <= status < 400:  # noqa: PLR2004
        return ConnectionFault("Redirected", f"{address} redirects to another URL (HTTP {status}): set url to it")
    answer = f"HTTP {status}" + (f" and {kind[:100]}" if status < 300 and kind else "")  # noqa: PLR2004
    message = f"{address} answers {answer}, so it is no MCP server: correct url"
    return ConnectionFault("NotAnMcpServer", message)


class _FileToken(httpx2.Auth):
    """Sends the bearer token in a file, which the kubelet renews. Without the file, the server refuses the request."""

    def __init__(self, path: str) -> None:
        self._path = path

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """See httpx2.Auth."""
        with suppress(UnhealthyError):
            request.headers["Authorization"] = f"Bearer {content_of(self._path)}"
        yield request


def _headers(config: McpServerConfig) -> dict[str, str]:
    """Return the headers from the environment.

    Raises:
        NotConfiguredError: a variable is missing or unusable.
    """
    headers = {}
    for header, name in config.headers_from.items():
        value = os.environ.get(name, "").strip()
        if not value:
            raise NotConfiguredError(
                f"the variable {name} of the header {header} is not set: set it, or remove it from headersFrom"
            )
        if not (value.isascii() and value.isprintable()):
            raise NotConfiguredError(
                f"the variable {name} of the header {header} has a character that is not printable ASCII: correct it"
            )
        headers[header] = value
    return headers
