"""The tool loop: the model calls tools and reads their results, round after round, until it answers."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import orjson

from agent_runtime.models.base import Json
from agent_runtime.tools.toolbox import Toolbox


class ChatCompletions(Protocol):
    """Answers chat completion requests with the model of a given name; see models.fallbacks.Calls."""

    async def complete(self, name: str, request: Json, deadline: float) -> tuple[str, Json]: ...

    async def stream(self, name: str, request: Json, deadline: float) -> tuple[str, AsyncGenerator[bytes, None]]: ...


class ToolLoop:
    """Offers the agent's tools to the model, and runs the calls that the model makes.

    If the caller sends its own tools, the model gets only those, and the caller gets the calls. The usage is the sum of
    all rounds. In the last round the model may not call a tool, so that it has to answer.
    """

    def __init__(self, completions: ChatCompletions, toolbox: Toolbox, max_rounds: int) -> None:
        self._completions = completions
        self._toolbox = toolbox
        self._max_rounds = max_rounds

    async def complete(self, name: str, request: Json, deadline: float) -> tuple[str, Json]:
        """Return the completion of the last round; see models.fallbacks.Calls."""
        tools = self._tools(request)
        if not tools:
            return await self._completions.complete(name, request, deadline)
        messages, usage = list(request["messages"]), Usage()
        for number in range(self._max_rounds + 1):
            round_request = request | self._offer(messages, tools, number)
            model, completion = await self._completions.complete(name, round_request, deadline)
            usage.add(completion.get("usage"))
            message = completion["choices"][0]["message"]
            if not message.get("tool_calls"):
                break
            messages += [message, *await self._toolbox.answer(message["tool_calls"])]
        return model, completion | ({"usage": usage.total} if usage.total else {})

    async def stream(self, name: str, request: Json, deadline: float) -> tuple[str, AsyncGenerator[bytes, None]]:
        """Return the chunks of a completion without the calls of the agent's own tools."""
        tools = self._tools(request)
        if not tools:
            return await self._completions.stream(name, request, deadline)
        messages = list(request["messages"])
        model, chunks = await self._completions.stream(name, request | self._offer(messages, tools, 0), deadline)
        return model, self._chunks(name, request | {"tools": tools, "messages": messages}, chunks, deadline)

    async def _chunks(
        self, name: str, request: Json, chunks: AsyncGenerator[bytes, None], deadline: float
    ) -> AsyncGenerator[bytes, None]:
        usage, messages, tools = Usage(), request["messages"], request["tools"]
        for number in range(1, self._max_rounds + 2):
            message = StreamedMessage()
            async with aclosing(chunks):
                async for chunk in chunks:
                    parsed = orjson.loads(chunk)
                    usage.add(parsed.get("usage"))
                    if message.add(parsed):
                        yield chunk
            if not message.tool_calls:
                break
            messages += [message.as_json(), *await self._toolbox.answer(message.tool_calls)]
            round_request = request | self._offer(messages, tools, number)
            _, chunks = await self._completions.stream(name, round_request, deadline)
        if usage.total:
            yield orjson.dumps(message.head | {"choices": [], "usage": usage.total})

    def _tools(self, request: Json) -> list[Json]:
        return [] if request.get("tools") else self._toolbox.specs()

    def _offer(self, messages: Sequence[Json], tools: Sequence[Json], number: int) -> Json:
        """Return the fields of the request of round `number`, counted from 0."""
        fields = {"messages": messages, "tools": tools}
        return fields | {"tool_choice": "none"} if number == self._max_rounds else fields


class Usage:
    """The sum of the tokens of several rounds, by kind."""

    def __init__(self) -> None:
        self.total: dict[str, int] = {}

    def add(self, usage: Json | None) -> None:
        """Add the usage of one round."""
        for kind in ("prompt_tokens", "completion_tokens", "total_tokens"):
            if usage and isinstance(tokens := usage.get(kind), int):
                self.total[kind] = self.total.get(kind, 0) + tokens


class StreamedMessage:
    """The message of one streamed round, put together from its chunks."""

    def __init__(self) -> None:
        self.head: Json = {}
        self._content: list[str] = []
        self._tool_calls: dict[int, Json] = {}

    def add(self, chunk: Json) -> bool:
        """Add a chunk; return whether the caller should get it too."""
        if not self.head:
            self.head = {name: value for name, value in chunk.items() if name not in {"choices", "usage"}}
        if not chunk["choices"]:
            return False
        choice = chunk["choices"][0]
        delta = choice.get("delta") or {}
        self._content.append(delta.get("content") or "")
        for part in delta.get("tool_calls") or ():
            self._add_tool_call(part)
        return not delta.get("tool_calls") and choice.get("finish_reason") != "tool_calls"

    @property
    def tool_calls(self) -> list[Json]:
        """The tool calls, complete after the last chunk."""
        return [call for _, call in sorted(self._tool_calls.items())]

    def as_json(self) -> Json:
        """Return the message as the next round sends it to the model."""
        return {"role": "assistant", "content": "".join(self._content) or None, "tool_calls": self.tool_calls}

    def _add_tool_call(self, part: Json) -> None:
        empty: Json = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        call = self._tool_calls.setdefault(part.get("index", 0), empty)
        call["id"] = part.get("id") or call["id"]
        function: dict[str, Any] = part.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""
