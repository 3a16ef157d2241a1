"""The agent's loop: the model calls tools, reads their results and goes on, until it has an answer."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import orjson

from agent_runtime.models.base import Json
from agent_runtime.tools.toolbox import Toolbox


class Answering(Protocol):
    """Answers chat completion requests by the name of a model; see models.calls.Calls."""

    async def complete(self, name: str, request: Json, deadline: float) -> tuple[str, Json]: ...

    async def stream(self, name: str, request: Json, deadline: float) -> tuple[str, AsyncGenerator[bytes, None]]: ...


class Rounds:
    """Answers like the calls behind it, with the agent's tools offered to the model and run here.

    A caller that brings tools of its own gets the model's calls of those; the agent's are not offered then. Usage is
    that of all rounds together. In the last round the model may call no tool, so that it has to answer.
    """

    def __init__(self, calls: Answering, toolbox: Toolbox, most: int) -> None:
        self._calls = calls
        self._toolbox = toolbox
        self._most = most

    async def complete(self, name: str, request: Json, deadline: float) -> tuple[str, Json]:
        """A completion after as many rounds as it takes; see models.calls.Calls."""
        specs = self._specs(request)
        if not specs:
            return await self._calls.complete(name, request, deadline)
        messages, usage = list(request["messages"]), Usage()
        for number in range(self._most + 1):
            asked = request | self._offer(messages, specs, number)
            model, completion = await self._calls.complete(name, asked, deadline)
            usage.add(completion.get("usage"))
            said = completion["choices"][0]["message"]
            if not said.get("tool_calls"):
                break
            messages += [said, *await self._toolbox.answer(said["tool_calls"])]
        return model, completion | ({"usage": usage.total} if usage.total else {})

    async def stream(self, name: str, request: Json, deadline: float) -> tuple[str, AsyncGenerator[bytes, None]]:
        """The chunks of a completion; those of calls of our own tools are kept back."""
        specs = self._specs(request)
        if not specs:
            return await self._calls.stream(name, request, deadline)
        messages = list(request["messages"])
        model, chunks = await self._calls.stream(name, request | self._offer(messages, specs, 0), deadline)
        return model, self._chunks(name, request | {"tools": specs, "messages": messages}, chunks, deadline)

    async def _chunks(
        self, name: str, request: Json, chunks: AsyncGenerator[bytes, None], deadline: float
    ) -> AsyncGenerator[bytes, None]:
        usage, messages, specs = Usage(), request["messages"], request["tools"]
        for number in range(1, self._most + 2):
            said = Said()
            async with aclosing(chunks):
                async for chunk in chunks:
                    parsed = orjson.loads(chunk)
                    usage.add(parsed.get("usage"))
                    if said.hears(parsed):
                        yield chunk
            if not said.calls:
                break
            messages += [said.message(), *await self._toolbox.answer(said.calls)]
            _, chunks = await self._calls.stream(name, request | self._offer(messages, specs, number), deadline)
        if usage.total:
            yield orjson.dumps(said.head | {"choices": [], "usage": usage.total})

    def _specs(self, request: Json) -> list[Json]:
        return [] if request.get("tools") else self._toolbox.specs()

    def _offer(self, messages: Sequence[Json], specs: Sequence[Json], number: int) -> Json:
        offered = {"messages": messages, "tools": specs}
        return offered | {"tool_choice": "none"} if number == self._most else offered


class Usage:
    """Tokens of several rounds, by kind."""

    def __init__(self) -> None:
        self.total: dict[str, int] = {}

    def add(self, usage: Json | None) -> None:
        """Add a round's."""
        for kind in ("prompt_tokens", "completion_tokens", "total_tokens"):
            if usage and isinstance(tokens := usage.get(kind), int):
                self.total[kind] = self.total.get(kind, 0) + tokens


class Said:
    """What a model said in one streamed round."""

    def __init__(self) -> None:
        self.head: Json = {}
        self._content: list[str] = []
        self._calls: dict[int, Json] = {}

    def hears(self, chunk: Json) -> bool:
        """Take note of a chunk; whether it is for the caller."""
        if not self.head:
            self.head = {name: value for name, value in chunk.items() if name not in {"choices", "usage"}}
        if not chunk["choices"]:
            return False
        choice = chunk["choices"][0]
        delta = choice.get("delta") or {}
        self._content.append(delta.get("content") or "")
        for part in delta.get("tool_calls") or ():
            self._note(part)
        return not delta.get("tool_calls") and choice.get("finish_reason") != "tool_calls"

    @property
    def calls(self) -> list[Json]:
        """The tool calls, complete."""
        return [call for _, call in sorted(self._calls.items())]

    def message(self) -> Json:
        """The round as a message for the next one."""
        return {"role": "assistant", "content": "".join(self._content) or None, "tool_calls": self.calls}

    def _note(self, part: Json) -> None:
        empty: Json = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        call = self._calls.setdefault(part.get("index", 0), empty)
        call["id"] = part.get("id") or call["id"]
        function: dict[str, Any] = part.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""
