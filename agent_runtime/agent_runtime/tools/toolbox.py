"""The tools of the agent: their descriptions for the model, and the execution of its tool calls."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from agent_runtime.connection_faults import ConnectionFault
from agent_runtime.health import UnhealthyError
from agent_runtime.metrics import Metrics
from agent_runtime.models.base import Json

# A longer result would push the conversation out of the model's context window.
MAX_RESULT_CHARS = 64_000
MAX_ARGUMENTS_CHARS = 1024 * 1024
# Calls of one message of a model, as many as OpenAI's API allows tools.
MAX_CALLS = 128
# Names of tools that become labels of a metric. A server may rename its tools at any time.
MAX_LABELS = 1000
# The longest function name that OpenAI accepts.
MAX_NAME = 64


class ToolError(Exception):
    """A tool call has no result. The model gets the message and may try something else."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as its server describes it; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class ToolServer(Protocol):
    """A server of tools."""

    @property
    def name(self) -> str: ...

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools by name; empty while the server cannot be reached."""
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
    """The tools of all servers, each under `server__tool`. As a health component it is called mcp."""

    name = "mcp"

    def __init__(self, servers: Sequence[ToolServer], metrics: Metrics) -> None:
        self._servers = {server.name: server for server in servers}
        self._metrics = metrics
        self._labels: set[str] = set()

    def specs(self) -> list[Json]:
        """Return the tools in OpenAI's form."""
        return [
            {
                "type": "function",
                "function": {"name": name, "description": tool.description, "parameters": tool.parameters},
            }
            for server in self._servers.values()
            for tool in server.tools.values()
            if len(name := f"{server.name}__{tool.name}") <= MAX_NAME
        ]

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
        return {"tool_count": sum(len(server.tools) for server in self._servers.values())}

    async def _answer(self, function: Json) -> str:
        server_name, _, tool_name = str(function.get("name", "")).partition("__")
        server = self._servers.get(server_name)
        if server is None or tool_name not in server.tools:
            # A model may invent any number of names, so none of them becomes a label.
            self._count("unknown", "error")
            return "error: there is no such tool"
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
