"""A server of the Model Context Protocol, over stdio or streamable HTTP, through the official SDK.

Imported only if the config has such a server, because the import of the SDK takes 0.5 s and 30 MiB.
"""

import asyncio
import logging
import os
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from agent_runtime import connection_faults
from agent_runtime.config import McpServerConfig
from agent_runtime.connection_faults import ConnectionFault
from agent_runtime.models.base import Json
from agent_runtime.tools.arguments import ArgumentCheck
from agent_runtime.tools.catalog import MAX_PAGES, MAX_TOOLS, Catalog
from agent_runtime.tools.guard import proxy_of
from agent_runtime.tools.http import REQUEST_HEADERS, BoundedTransport
from agent_runtime.tools.limits import TooMuchDataError
from agent_runtime.tools.stdio import stdio_transport
from agent_runtime.tools.toolbox import MAX_RESULT_CHARS, Tool, ToolError
from agent_runtime.trust import BUNDLE_VARIABLES, EXTRA_VARIABLE

CONNECT_TIMEOUT = 10.0
# Seconds between lists of the tools, which detect new tools and dead connections.
REFRESH = 30.0
BACKOFF = (1.0, 2.0, 5.0, 10.0, 30.0)
# Names of tools during one connection. The SDK keeps the output schema of each.
MAX_NAMES = 4 * MAX_TOOLS
# Characters of a server's error in health and logs.
MAX_FAULT_CHARS = 300
# Variables of the network that every program gets: the proxy and the certificate authorities.
_NETWORK = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", *BUNDLE_VARIABLES, EXTRA_VARIABLE)
_PORTS: Mapping[str, int] = {"http": 80, "https": 443}

log = logging.getLogger(__name__)


class McpServer:
    """A connection to a server, with reconnects; see toolbox.ToolServer."""

    def __init__(self, config: McpServerConfig, probe_now: asyncio.Event) -> None:
        self.name = config.name
        self.tools: Mapping[str, Tool] = {}
        self.fault: ConnectionFault | None = ConnectionFault("NotConnected", "not connected yet")
        self._config = config
        self._probe_now = probe_now
        self._client: Client | None = None
        self._checks: dict[str, ArgumentCheck] = {}
        self._checking = asyncio.Lock()
        self._names: set[str] = set()
        self._refresh_now = asyncio.Event()
        self._attempted = asyncio.Event()

    async def settled(self) -> None:
        """Wait for the end of the first attempt to connect; see toolbox.ToolServer."""
        await self._attempted.wait()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        failures = 0
        while True:
            try:
                async with self._connected() as client:
                    failures = 0
                    await self._refresh_periodically(client)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  (an SDK, a process and a network raise many types: reconnect after each)
                self._record_loss(error)
            pause = BACKOFF[min(failures, len(BACKOFF) - 1)]
            failures += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  (not for secrecy)

    async def call(self, tool: str, arguments: Json) -> str:
        """Return the tool's result as text; see toolbox.ToolServer."""
        client = self._client
        if client is None:
            raise ToolError("the tool's server cannot be reached now")
        await self._check(tool, arguments)
        seconds = self._config.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                result = await client.call_tool(tool, arguments)
        except TimeoutError:
            self._refresh_now.set()
            raise ToolError(f"no result within {seconds} seconds") from None
        except MCPError as error:
            self._refresh_now.set()
            raise ToolError(str(error)[:MAX_RESULT_CHARS]) from None
        except Exception:  # noqa: BLE001  (as above)
            self._refresh_now.set()
            raise ToolError("the tool's server failed") from None
        return _text(result)

    async def _check(self, tool: str, arguments: Json) -> None:
        """Check arguments with a check that is kept until the tool's schema changes."""
        schema, check = self.tools[tool].parameters, self._checks.get(tool)
        if check is None or check.schema != schema:
            check = self._checks[tool] = ArgumentCheck(schema)
        async with self._checking:
            # Concurrent calls are checked one by one, and other requests proceed between two checks.
            await asyncio.sleep(0)
            check(arguments)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        async with self._transport() as transport:
            client = Client(transport, mode="auto", cache=None)
            async with asyncio.timeout(CONNECT_TIMEOUT) as connecting, client:
                # The SDK would check results against the server's own schemas, without a limit on time.
                client.session.validate_tool_result = _accept_result  # type: ignore[method-assign,assignment]
                self._names, self._checks = set(), {}
                await self._refresh(client)
                connecting.reschedule(None)
                self._client, self.fault = client, None
                self._refresh_now.clear()
                self._attempted.set()
                self._probe_now.set()
                log.info("MCP server connected", extra={"fields": {"server": self.name, "tools": len(self.tools)}})
                yield client

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[Any]:
        config = self._config
        if config.type == "stdio":
            environment = {name: os.environ[name] for name in (*config.env, *_NETWORK) if name in os.environ}
            yield stdio_transport(config.command or "", config.args, environment)
            return
        headers = {header: os.environ.get(name, "") for header, name in config.headers_from.items()}
        proxy = proxy_of(config.url or "")
        transport = BoundedTransport(allow_link_local=config.allow_link_local, proxy=proxy)
        timeout = httpx2.Timeout(CONNECT_TIMEOUT, read=config.timeout_seconds + REFRESH)
        async with httpx2.AsyncClient(headers=REQUEST_HEADERS | headers, transport=transport, timeout=timeout) as http:
            yield streamable_http_client(config.url or "", http_client=http)

    async def _refresh_periodically(self, client: Client) -> None:
        """List the tools every REFRESH seconds and after a failed call, until that raises."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH):
                    await self._refresh_now.wait()
            self._refresh_now.clear()
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._refresh(client)

    async def _refresh(self, client: Client) -> None:
        """List the tools.

        Raises:
            TooMuchDataError: the server lists too many.
        """
        catalog = Catalog(self.name, self._config.tools)
        cursor = None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            for tool in page.tools:
                catalog.add(tool.name, tool.description or "", tool.input_schema)
            self._names.update(tool.name for tool in page.tools)
            cursor = page.next_cursor
            if cursor is None:
                break
        else:
            raise TooMuchDataError(f"lists its tools on more than {MAX_PAGES} pages")
        if len(self._names) > MAX_NAMES:
            raise TooMuchDataError(f"has listed more than {MAX_NAMES} tools")
        catalog.report(self.tools)
        self.tools = catalog.tools

    def _record_loss(self, error: Exception) -> None:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        self._client, self.tools = None, {}
        self._attempted.set()
        self.fault = self._explain(error)
        self._probe_now.set()
        log.warning("MCP server lost", extra={"fields": {"server": self.name, "reason": type(error).__name__}})

    def _explain(self, error: Exception) -> ConnectionFault:
        if self._config.url:
            url = httpx2.URL(self._config.url)
            found = connection_faults.explain(error, f"{url.host}:{url.port or _PORTS.get(url.scheme, 0)}")
            if found.reason != connection_faults.FAILED:
                return ConnectionFault(found.reason, f"cannot be reached: {found.message}")
        harmless = isinstance(error, OSError | httpx2.ConnectError | TooMuchDataError)
        text = str(error)[:MAX_FAULT_CHARS] if harmless else type(error).__name__
        return ConnectionFault(connection_faults.FAILED, f"cannot be reached: {text}")


async def _accept_result(_: str, __: CallToolResult) -> None:
    """Replace ClientSession.validate_tool_result."""


def _text(result: CallToolResult) -> str:
    """Return the text parts of a result."""
    text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))
    if result.is_error:
        raise ToolError(text or "the tool failed")
    return text
