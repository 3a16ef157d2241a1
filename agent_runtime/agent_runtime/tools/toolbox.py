"""The tools of the agent: their descriptions for the model, and the execution of its tool calls."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from agent_runtime.connection_faults import ConnectionFault
from agent_runtime.health import UnhealthyError
from agent_runtime.metrics import Metrics
from agent_runtime.models.base import Json
from agent_runtime.tools.offer import MAX_LISTED, Offer, Tool, offer

# A longer result would push the conversation out of the model's context window.
MAX_RESULT_CHARS = 64_000
MAX_ARGUMENTS_CHARS = 1024 * 1024
# Calls of one message of a model, as many as OpenAI's API allows tools.
MAX_CALLS = 128
# Names of tools that become labels of a metric. A server may rename its tools at any time.
MAX_LABELS = 1000


class ToolError(Exception):
    """A tool call has no result. The model gets the message and may try something else."""


class ToolServer(Protocol):
    """A server of tools."""

    @property
    def name(self) -> str: ...

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools by name; empty while the server cannot be reached."""
        ...

    @property
    def left_out(self) -> int:
        """Number of the tools that the server lists beyond the bounds, so that they are not in `tools`."""
        ...

    @property
    def fault(self) -> ConnectionFault | None:
        """Why the server cannot be used now."""
        ...

    async def settled(self) -> None:
        """Wait for the end of the first attempt to connect."""
        ...

    async def call(self, tool: str, arguments: Json) -> str:
        """Return the tool's result as text.

        Raises:
            ToolError: there is no result.
        """
        ...


class Toolbox:
    """The tools of all servers, each under a name that models accept. As a health component it is called mcp.

    Every call of a tool passes through `answer`, so that is where an approval of calls belongs.
    """

    name = "mcp"

    def __init__(self, servers: Sequence[ToolServer], metrics: Metrics) -> None:
        self._servers = {server.name: server for server in servers}
        self._metrics = metrics
        self._labels: set[str] = set()
        # The tools of each server when the offer was made. A server replaces its tools, and never changes them.
        self._offered: tuple[Mapping[str, Tool], ...] = ()
        self._offer = Offer((), {}, ())

    def specs(self) -> Sequence[Json]:
        """Return the tools in OpenAI's form."""
        return self._current().specs

    def _current(self) -> Offer:
        """Return what to offer of the servers' present tools."""
        tools = tuple(server.tools for server in self._servers.values())
        if len(tools) != len(self._offered) or any(a is not b for a, b in zip(tools, self._offered, strict=True)):
            previous, self._offered = self._offer, tools
            self._offer = offer(dict(zip(self._servers, tools, strict=True)))
            if self._offer.left_out != previous.left_out:
                self._offer.report()
            self._count_left_out()
        return self._offer

    def _count_left_out(self) -> None:
        for name, server in self._servers.items():
            beyond = sum(origin[0] == name for origin in self._offer.left_out)
            self._metrics.tools_left_out.labels(name).set(beyond + server.left_out)

    async def answer(self, calls: Sequence[Json]) -> list[Json]:
        """Run a model's tool calls concurrently; return one message per call, in their order."""
        accepted, refused = calls[:MAX_CALLS], calls[MAX_CALLS:]
        results = await asyncio.gather(*(self._answer(call.get("function") or {}) for call in accepted))
        results += [f"error: more than {MAX_CALLS} calls in one message"] * len(refused)
        return [
            {"role": "tool", "tool_call_id": call.get("id"), "content": result}
            for call, result in zip(calls, results, strict=True)
        ]

    async def probe(self) -> dict[str, Any]:
        """Check whether every server can be reached. The first probe waits for the first connections."""
        await asyncio.gather(*(server.settled() for server in self._servers.values()))
        unusable = {name: server.fault for name, server in self._servers.items() if server.fault}
        if unusable:
            message = "; ".join(f"{name}: {fault.message}" for name, fault in unusable.items())
            raise UnhealthyError(message, next(iter(unusable.values())).reason)
        return {"tool_count": len(self._current().specs)} | self._left_out()

    def _left_out(self) -> dict[str, Any]:
        """Return the details of /health about tools that models do not get; nothing if there are none."""
        count = len(self._offer.left_out) + sum(server.left_out for server in self._servers.values())
        if not count:
            return {}
        return {
            "tools_left_out": count,
            "left_out": [f"{server}/{tool}"[:200] for server, tool in self._offer.left_out[:MAX_LISTED]],
        }

    async def _answer(self, function: Json) -> str:
        name = str(function.get("name", ""))
        server_name, tool_name = self._current().origins.get(name, ("", ""))
        server = self._servers.get(server_name)
        if server is None or tool_name not in server.tools:
            # A model may invent any number of names, so none of them becomes a label.
            self._count("unknown", "error")
            lost = self._servers.get(name.partition("__")[0])
            is_lost = lost is not None and lost.fault is not None
            return "error: the tool's server cannot be reached now" if is_lost else "error: there is no such tool"
        try:
            result = await server.call(tool_name, _arguments(function.get("arguments")))
        except ToolError as error:
            self._count(f"{server_name}/{tool_name}", "error")
            return _shortened(f"error: {error}")
        self._count(f"{server_name}/{tool_name}", "success")
        return _shortened(result)

    def _count(self, tool: str, outcome: str) -> None:
        if tool not in self._labels and len(self._labels) >= MAX_LABELS:
            tool = "other"
        self._labels.add(tool)
        self._metrics.tool_calls.labels(tool, outcome).inc()


def _shortened(result: str) -> str:
    if len(result) <= MAX_RESULT_CHARS:
        return result
    return f"{result[:MAX_RESULT_CHARS]}\n[cut: {len(result)} characters]"


def _arguments(text: Any) -> Json:
    """Return the arguments of a tool call; the model may have written invalid JSON."""
    if isinstance(text, str) and len(text) > MAX_ARGUMENTS_CHARS:
        raise ToolError(f"the arguments are longer than {MAX_ARGUMENTS_CHARS} characters")
    try:
        arguments = orjson.loads(text or "{}")
        # A value may be nested more deeply than orjson can write, and then the tool's server cannot get it.
        orjson.dumps(arguments)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        raise ToolError("the arguments are not valid JSON") from None
    if not isinstance(arguments, dict):
        raise ToolError("the arguments must be a JSON object")
    return arguments
