"""Counts the tokens of each call of a model, also of a call whose response is abandoned."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

import orjson

from agent_runtime.agent.budget import Budget
from agent_runtime.agent.prices import Prices
from agent_runtime.agent.tool_loop import ChatCompletions
from agent_runtime.errors import Problem
from agent_runtime.memory.tokens import BYTES_PER_TOKEN, estimate
from agent_runtime.metrics import Metrics
from agent_runtime.models import chunks
from agent_runtime.models.base import Json

# More tokens than one response can have. A larger number could not be added to the count in Redis.
MAX_TOKENS = 10**9
# Tokens of an image or another part of a message that is not text: about those of an image of 1024 x 1024 pixels.
PER_PART = 1_000
# Bytes of a chunk without its text are rarely more.
_CHUNK_OVERHEAD = 250
_USAGE = re.compile(rb'"usage"\s*:\s*\{')


def _error_type(error: BaseException | None) -> str:
    """Return what ended a call, for a label; "" for an answer. Servers refuse requests with any number of codes."""
    if error is None:
        return ""
    if isinstance(error, Problem):
        return error.code if error.status != HTTPStatus.BAD_REQUEST else "model_refused_request"
    return "cancelled" if isinstance(error, asyncio.CancelledError | GeneratorExit) else "internal_error"


class MeteredCompletions:
    """Chat completions whose tokens are counted once per call: as the model reports them, or estimated."""

    def __init__(
        self,
        completions: ChatCompletions,
        metrics: Metrics,
        budget: Budget | None,
        operation: str = "chat",
        prices: Prices | None = None,
    ) -> None:
        self._completions = completions
        # As in OpenTelemetry's attribute gen_ai.operation.name.
        self._operation = operation
        self._metrics = metrics
        self._budget = budget
        self._prices = prices

    async def complete(self, name: str, request: Json, deadline: float) -> tuple[str, Json]:
        """Return a completion, after its tokens are counted; see models.fallbacks.Calls."""
        begun = time.perf_counter()
        try:
            model, completion = await self._completions.complete(name, request, deadline)
        except BaseException as error:
            self._observe(name, begun, error)
            raise
        self._observe(model, begun)
        self._count(model, chunks.usage(completion), request, lambda: _message_size(completion) // BYTES_PER_TOKEN)
        return model, completion

    async def stream(self, name: str, request: Json, deadline: float) -> tuple[str, AsyncGenerator[bytes, None]]:
        """Return the chunks of a completion. When they end or are abandoned, their tokens are counted."""
        begun = time.perf_counter()
        try:
            model, found = await self._completions.stream(name, request, deadline)
        except BaseException as error:
            self._observe(name, begun, error)
            raise
        self._metrics.gen_ai.observe_first_chunk(self._operation, model, time.perf_counter() - begun)
        return model, self._metered(model, request, found, begun)

    def _observe(self, model: str, begun: float, error: BaseException | None = None) -> None:
        """Observe the duration of a call, and what ended it."""
        self._metrics.gen_ai.observe_call(self._operation, model, time.perf_counter() - begun, _error_type(error))

    async def _metered(
        self, model: str, request: Json, found: AsyncGenerator[bytes, None], begun: float
    ) -> AsyncGenerator[bytes, None]:
        last_usage, number, size, shortest = b"", 0, 0, _CHUNK_OVERHEAD
        try:
            async with aclosing(found):
                async for chunk in found:
                    number += 1
                    length = len(chunk)
                    size += length
                    # min() would take longer than the rest.
                    if 0 < length < shortest:
                        shortest = length
                    # A server may report a running total with each chunk. The last one counts.
                    if _USAGE.search(chunk):
                        last_usage = chunk
                    yield chunk
        except BaseException as error:
            self._observe(model, begun, error)
            raise
        else:
            self._observe(model, begun)
        finally:
            usage = chunks.usage(orjson.loads(last_usage)) if last_usage else None
            # Most servers send one token per chunk. To parse each chunk for an exact estimate would cost too much.
            self._count(model, usage, request, lambda: max(number, (size - number * shortest) // BYTES_PER_TOKEN))

    def _count(self, model: str, usage: Json | None, request: Json, answer_tokens: Callable[[], int]) -> None:
        """Count the tokens of a call. `answer_tokens` estimates those of the answer, if the usage has none."""
        fields = usage or {}
        prompt, completion = fields.get("prompt_tokens"), fields.get("completion_tokens")
        if not isinstance(prompt, int) and not isinstance(completion, int):
            prompt, completion = prompt_tokens(request), answer_tokens()
        counted = (_bounded(prompt), _bounded(completion))
        for kind, bounded in zip(("prompt", "completion"), counted, strict=True):
            self._metrics.count_tokens(model, kind, bounded)
            self._metrics.gen_ai.count_tokens(self._operation, model, kind, bounded)
            if self._budget is not None:
                self._budget.spend(bounded)
        if self._prices is not None:
            self._count_cost(self._prices, model, *counted, _cached(fields))

    def _count_cost(self, prices: Prices, model: str, prompt: int, completion: int, cached: int) -> None:
        cost = prices.cost(model, prompt, completion, cached)
        self._metrics.count_cost(model, prices.currency, cost)
        if self._budget is not None:
            self._budget.spend(0, cost)


def _bounded(tokens: Any) -> int:
    return min(max(tokens, 0), MAX_TOKENS) if isinstance(tokens, int) else 0


def _cached(usage: Json) -> int:
    """Return the tokens of the prompt that the model's server had cached."""
    details = usage.get("prompt_tokens_details")
    return _bounded(details.get("cached_tokens")) if isinstance(details, dict) else 0


def _message_size(completion: Json) -> int:
    message = chunks.message(chunks.choice(completion))
    return len(orjson.dumps(message)) if message else 0


def prompt_tokens(request: Json) -> int:
    """Return an estimate of the tokens of a request."""
    tools = request.get("tools")
    size = len(orjson.dumps(tools)) // BYTES_PER_TOKEN if tools else 0
    return size + sum(map(message_tokens, request.get("messages") or ())) + _input_tokens(request.get("input"))


def _input_tokens(texts: Any) -> int:
    """Return an estimate of the tokens of the input of a request for embeddings: texts, or tokens."""
    if isinstance(texts, str):
        return len(texts.encode()) // BYTES_PER_TOKEN
    return sum(map(_input_tokens, texts)) if isinstance(texts, list) else int(texts is not None)


def message_tokens(message: Json) -> int:
    """Return an estimate of the tokens of a message."""
    content: Any = message.get("content")
    if not isinstance(content, list):
        return estimate(message)
    others = sum(not isinstance(part, dict) or "text" not in part for part in content)
    return estimate(message | {"content": chunks.content_text(content)}) + PER_PART * others
