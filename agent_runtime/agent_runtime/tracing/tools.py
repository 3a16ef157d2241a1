"""Spans of tool calls."""

from collections.abc import Mapping

from opentelemetry.trace import SpanKind, StatusCode, Tracer

from agent_runtime.connection_faults import ConnectionFault
from agent_runtime.models.base import Json
from agent_runtime.tools.offer import Tool
from agent_runtime.tools.toolbox import ToolError, ToolServer


class TracedToolServer:
    """A tool server with a span around each call. Spans contain neither arguments nor results."""

    def __init__(self, server: ToolServer, tracer: Tracer) -> None:
        self.name = server.name
        self._server = server
        self._tracer = tracer

    @property
    def tools(self) -> Mapping[str, Tool]:
        """See ToolServer."""
        return self._server.tools

    @property
    def left_out(self) -> int:
        """See ToolServer."""
        return self._server.left_out

    @property
    def fault(self) -> ConnectionFault | None:
        """See ToolServer."""
        return self._server.fault

    async def settled(self) -> None:
        """See ToolServer."""
        await self._server.settled()

    async def call(self, tool: str, arguments: Json) -> str:
        """Call a tool; see ToolServer."""
        name = f"{self.name}__{tool}"
        with self._tracer.start_as_current_span(
            f"execute_tool {name}",
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": name,
                "gen_ai.tool.type": "extension",
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await self._server.call(tool, arguments)
            except ToolError:
                span.set_attribute("error.type", "tool_error")
                span.set_status(StatusCode.ERROR)
                raise
