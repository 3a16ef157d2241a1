"""A server of the Model Context Protocol, over stdio or streamable HTTP, through the official SDK.

Imported only if the config has such a server, because the import of the SDK takes 0.5 s and 30 MiB.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from mcp import Client, MCPError
from mcp.types import CallToolResult

from agent_runtime.config import McpServerConfig
from agent_runtime.connection_faults import ConnectionFault
from agent_runtime.models.base import Json
from agent_runtime.tools import results
from agent_runtime.tools.arguments import ArgumentCheck
from agent_runtime.tools.catalog import MAX_PAGES, MAX_TOOLS, Catalog
from agent_runtime.tools.http import Propagate
from agent_runtime.tools.limits import TooMuchDataError
from agent_runtime.tools.link import CONNECT_TIMEOUT, REFRESH, Link
from agent_runtime.tools.offer import Tool
from agent_runtime.tools.toolbox import MAX_RESULT_CHARS, ToolError

BACKOFF = (1.0, 2.0, 5.0, 10.0, 30.0)
# A connection that lasted so many seconds is opened again at once.
STABLE = 5.0
# Seconds that calls in flight have to end after the connection has failed.
SETTLE = 1.0
# Names of tools during one connection. The SDK keeps the output schema of each.
MAX_NAMES = 4 * MAX_TOOLS

log = logging.getLogger(__name__)


class McpServer:
    """A connection to a server, with reconnects; see toolbox.ToolServer."""

    def __init__(
        self, config: McpServerConfig, probe_now: asyncio.Event, propagate: Propagate = lambda _: None
    ) -> None:
        self.name = config.name
        self.tools: Mapping[str, Tool] = {}
        self.left_out = 0
        self.fault: ConnectionFault | None = ConnectionFault("NotConnected", "not connected yet")
        self._config = config
        self._probe_now = probe_now
        self._propagate = propagate
        self._connection: tuple[Client, Link] | None = None
        # When the present connection was opened, by the clock of the event loop; None while there is none.
        self._since: float | None = None
        self._reconnected = asyncio.Event()
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
        link = Link(self._config, self._propagate)
        while True:
            error = await self._use(link)
            if self._since is not None:
                failures = 0
            ended, link = link, self._next_link(link)
            ended.ended.set_result(None)
            if link.is_legacy and not ended.is_legacy:
                continue
            await asyncio.sleep(self._pause(ended, error, failures))
            failures += 1

    async def _use(self, link: Link) -> BaseException | None:
        """Connect, and return the error with which the connection ends.

        It has a task of its own, because anyio drops the cancellation of a task in which an error occurs meanwhile.
        """
        self._since = None
        connection = asyncio.create_task(self._connect(link))
        try:
            await asyncio.wait((connection,))
        except asyncio.CancelledError:
            connection.cancel()
            await asyncio.wait((connection,))
            raise
        return connection.exception() if not connection.cancelled() else None

    async def _connect(self, link: Link) -> None:
        async with self._connected(link) as client:
            await self._refresh_periodically(client, link)

    async def call(self, tool: str, arguments: Json) -> str:
        """Return the tool's result as text; see toolbox.ToolServer."""
        connection = self._connection
        if connection is None:
            raise ToolError("the tool's server cannot be reached now")
        await self._check(tool, arguments)
        seconds = self._config.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                result = await self._call(connection, tool, arguments)
        except TimeoutError:
            self._refresh_now.set()
            raise ToolError(f"no result within {seconds} seconds") from None
        except MCPError as error:
            self._refresh_now.set()
            raise ToolError(str(error)[:MAX_RESULT_CHARS]) from None
        except ToolError:
            raise
        except Exception:  # noqa: BLE001  (as above)
            self._refresh_now.set()
            raise ToolError("the tool's server failed") from None
        text = results.as_text(result)
        if result.is_error:
            raise ToolError("the tool failed" if text == results.EMPTY else text)
        return text

    async def _call(self, connection: tuple[Client, Link], tool: str, arguments: Json) -> CallToolResult:
        """Call a tool, and once more if the server has forgotten the session, because then it has not run the tool."""
        client, link = connection
        try:
            return await link.result(client.call_tool(tool, arguments))
        except MCPError as error:
            if not link.has_lost_session(error):
                raise
        client, link = await self._renewed(connection)
        return await link.result(client.call_tool(tool, arguments))

    async def _renewed(self, lost: tuple[Client, Link]) -> tuple[Client, Link]:
        """Return the connection after this one."""
        self._refresh_now.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT):
                while self._connection is lost:
                    self._reconnected.clear()
                    await self._reconnected.wait()
        if self._connection is None or self._connection is lost:
            raise ToolError("the tool's server cannot be reached now")
        return self._connection

    def _next_link(self, link: Link) -> Link:
        """Return the next attempt: over the legacy transport, if the server refused the present one."""
        legacy = link.may_be_legacy if self._since is None else link.is_legacy
        return Link(self._config, self._propagate, legacy=legacy)

    def _pause(self, link: Link, error: BaseException | None, failures: int) -> float:
        """Record the end of a connection; return the seconds until the next attempt."""
        lasted = 0.0 if self._since is None else asyncio.get_running_loop().time() - self._since
        if self._since is not None and link.has_lost_session(error):
            # The server works: keep the tools until the next session begins.
            log.info("MCP server has forgotten the session", extra={"fields": {"server": self.name}})
            return 0.0
        self._record_loss(link, error)
        if lasted >= STABLE:
            return 0.0
        return BACKOFF[min(failures, len(BACKOFF) - 1)] * random.uniform(0.5, 1)  # noqa: S311  (not for secrecy)

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
    async def _connected(self, link: Link) -> AsyncIterator[Client]:
        async with link.transport() as transport:
            # Only servers without `server/discover` use the legacy transport.
            client = Client(transport, mode="legacy" if link.is_legacy else "auto", cache=None)
            async with asyncio.timeout(CONNECT_TIMEOUT) as connecting, client:
                # The SDK would check results against the server's own schemas, without a limit on time.
                client.session.validate_tool_result = _accept_result  # type: ignore[method-assign,assignment]
                self._names, self._checks = set(), {}
                await self._refresh(client)
                connecting.reschedule(None)
                self._connection, self.fault = (client, link), None
                self._since = asyncio.get_running_loop().time()
                self._refresh_now.clear()
                for event in (self._attempted, self._probe_now, self._reconnected):
                    event.set()
                log.info("MCP server connected", extra={"fields": {"server": self.name, "tools": len(self.tools)}})
                yield client

    async def _refresh_periodically(self, client: Client, link: Link) -> None:
        """List the tools every REFRESH seconds and after a failed call, until that raises."""
        while True:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                # anyio drops a cancellation if the result of the last request arrives at the same time.
                raise asyncio.CancelledError
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH):
                    await self._refresh_now.wait()
            self._refresh_now.clear()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await self._refresh(client)
            except MCPError:
                # The other calls in flight fail the same way. Let each of them see that.
                if link.calls:
                    await asyncio.wait(link.calls, timeout=SETTLE)
                raise

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
        self.left_out = catalog.left_out
        if catalog.tools != self.tools:
            self.tools = catalog.tools

    def _record_loss(self, link: Link, error: BaseException | None) -> None:
        self._connection, self.tools, self.left_out = None, {}, 0
        self.fault = link.explain(error)
        for event in (self._attempted, self._probe_now, self._reconnected):
            event.set()
        fields = {"server": self.name, "reason": self.fault.reason, "error": self.fault.message}
        if link.stderr:
            fields["stderr"] = link.stderr
        log.warning("MCP server lost", extra={"fields": fields})


async def _accept_result(_: str, __: CallToolResult) -> None:
    """Replace ClientSession.validate_tool_result."""
