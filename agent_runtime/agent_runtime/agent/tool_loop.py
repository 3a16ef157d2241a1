"""The tool loop: the model calls tools and reads their results, round after round, until it answers."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

import orjson

from agent_runtime.agent.streamed_message import StreamedMessage
from agent_runtime.errors import Problem
from agent_runtime.models import chunks
from agent_runtime.models.base import Json
from agent_runtime.tools.toolbox import Toolbox

# Bytes that tool calls and their results may add to a request. More does not fit into any context window.
MAX_GROWTH_BYTES = 8 * 1024 * 1024
# Bytes of the chunks of all rounds of a response. Those of one round have a limit of their own: sse.MAX_STREAM_BYTES.
MAX_ANSWER_BYTES = 16 * 1024 * 1024
# More tokens than any model can use. A larger number, also as a sum, could not be written as JSON.
MAX_TOKENS = 10**12
# Kinds of tokens in the details of a usage. OpenAI's API has up to four.
MAX_DETAILS = 16


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
            usage.add(chunks.usage(completion))
            message = chunks.message(chunks.choice(completion))
            message = message | {"tool_calls": chunks.tool_calls(message)}
            if not message["tool_calls"]:
                break
            messages = await self._with_results(messages, message, len(request["messages"]))
        return model, completion | ({"usage": usage.total} if usage.total else {})

    async def stream(self, name: str, request: Json, deadline: float) -> tuple[str, AsyncGenerator[bytes, None]]:
        """Return the chunks of a completion without the calls of the agent's own tools."""
        tools = self._tools(request)
        if not tools:
            return await self._completions.stream(name, request, deadline)
        messages = list(request["messages"])
        model, found = await self._completions.stream(name, request | self._offer(messages, tools, 0), deadline)
        return model, self._chunks(name, request | {"tools": tools, "messages": messages}, found, deadline)

    async def _chunks(
        self, name: str, request: Json, found: AsyncGenerator[bytes, None], deadline: float
    ) -> AsyncGenerator[bytes, None]:
        usage, messages, tools = Usage(), request["messages"], request["tools"]
        original, size = len(messages), 0
        for number in range(1, self._max_rounds + 2):
            message = StreamedMessage()
            # A server may report a running total with each chunk. The last one counts.
            last_usage: Json | None = None
            async with aclosing(found):
                async for chunk in found:
                    size += len(chunk)
                    if size > MAX_ANSWER_BYTES:
                        detail = f"{name}: the answer is longer than {MAX_ANSWER_BYTES} bytes"
                        raise Problem(502, "model_bad_response", detail)
                    parsed = orjson.loads(chunk or b"{}")
                    last_usage = chunks.usage(parsed) or last_usage
                    if message.add(parsed):
                        yield chunk
            usage.add(last_usage)
            if not message.tool_calls:
                break
            if chunk == chunks.TRUNCATED:
                raise Problem(502, "model_bad_response", f"{name}: the model's tool calls are incomplete")
            messages = await self._with_results(messages, message.as_json(), original)
            round_request = request | self._offer(messages, tools, number)
            _, found = await self._completions.stream(name, round_request, deadline)
        if usage.total:
            yield orjson.dumps(message.head | {"choices": [], "usage": usage.total})

    async def _with_results(self, messages: Sequence[Json], message: Json, original: int) -> list[Json]:
        """Return the messages with a message of the model and the results of its tool calls.

        Raises:
            Problem: the messages after the `original` ones are too long.
        """
        extended = [*messages, message, *await self._toolbox.answer(message["tool_calls"])]
        if len(orjson.dumps(extended[original:])) > MAX_GROWTH_BYTES:
            detail = f"The model's tool calls and their results exceed {MAX_GROWTH_BYTES} bytes: ask for less"
            raise Problem(502, "tool_results_too_long", detail)
        return extended

    def _tools(self, request: Json) -> Sequence[Json]:
        return [] if request.get("tools") else self._toolbox.specs()

    def _offer(self, messages: Sequence[Json], tools: Sequence[Json], number: int) -> Json:
        """Return the fields of the request of round `number`, counted from 0."""
        fields = {"messages": messages, "tools": tools}
        return fields | {"tool_choice": "none"} if number == self._max_rounds else fields


class Usage:
    """The sum of the tokens of several rounds, by kind, with details such as cached and reasoning tokens."""

    def __init__(self) -> None:
        self.total: Json = {}

    def add(self, usage: Json | None) -> None:
        """Add the usage of one round."""
        for kind in ("prompt_tokens", "completion_tokens", "total_tokens"):
            if usage and type(tokens := usage.get(kind)) is int:
                self.total[kind] = _sum(self.total.get(kind, 0), tokens)
        for kind in ("prompt_tokens_details", "completion_tokens_details"):
            details = usage.get(kind) if usage else None
            for name, tokens in list(details.items())[:MAX_DETAILS] if isinstance(details, dict) else ():
                sums = self.total.setdefault(kind, {})
                if type(tokens) is int and (name in sums or len(sums) < MAX_DETAILS):
                    sums[name] = _sum(sums.get(name, 0), tokens)


def _sum(total: int, tokens: int) -> int:
    return min(total + max(tokens, 0), MAX_TOKENS)
