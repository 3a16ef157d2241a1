"""Spans around calls of models, named and filled as OpenTelemetry's conventions for generative AI say."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import orjson
from opentelemetry import context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from yarl import URL

from agent_runtime.config import ModelConfig
from agent_runtime.errors import Problem
from agent_runtime.models.base import Json, Model

_PROVIDERS = {"azure_openai": "azure.ai.openai", "openai": "openai", "echo": "echo"}
# Numbers of a request that are told; everything else may be somebody's words.
_NUMBERS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
}
# The chunks that say more than a piece of the answer.
_TELLING = re.compile(rb'"(finish_reason"\s*:\s*"|usage"\s*:\s*\{)')


class TracedModel:
    """A model, with a span around each call."""

    def __init__(self, model: Model, config: ModelConfig, tracer: Tracer) -> None:
        self.name = model.name
        self._model = model
        self._tracer = tracer
        self._asked = config.deployment or config.model or config.name
        self._attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _PROVIDERS[config.provider],
            "gen_ai.request.model": self._asked,
        }
        address = URL(config.base_url or config.endpoint or "")
        if address.host:
            self._attributes |= {"server.address": address.host, "server.port": address.port}

    async def complete(self, request: Json) -> Json:
        """Answer a chat completion request; see Model."""
        with self._span(request) as span:
            token = context.attach(set_span_in_context(span))
            try:
                completion = await self._model.complete(request)
            finally:
                context.detach(token)
            _note(span, completion)
            return completion

    async def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        """Answer a chat completion request in chunks; see Model."""
        start, first = time.perf_counter(), True
        with self._span(request) as span:
            span.set_attribute("gen_ai.request.stream", value=True)
            async with aclosing(self._model.stream(request)) as chunks:
                while (chunk := await _within(span, chunks)) is not None:
                    if first:
                        span.set_attribute("gen_ai.response.time_to_first_chunk", time.perf_counter() - start)
                    if first or _TELLING.search(chunk):
                        _note(span, orjson.loads(chunk))
                    first = False
                    yield chunk

    async def probe(self) -> Json:
        """Look whether the model can be used; see health.Probed."""
        return await self._model.probe()

    async def aclose(self) -> None:
        """Let go of connections and tasks."""
        await self._model.aclose()

    @contextmanager
    def _span(self, request: Json) -> Iterator[Span]:
        """A span, which is not the current one: a generator shares its caller's context between its chunks."""
        told = {name: request[field] for field, name in _NUMBERS.items() if type(request.get(field)) in {int, float}}
        span = self._tracer.start_span(
            f"chat {self._asked}", kind=SpanKind.CLIENT, attributes=self._attributes | told, record_exception=False
        )
        try:
            yield span
        except Problem as problem:
            span.set_attribute("error.type", problem.code)
            span.set_status(StatusCode.ERROR)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            span.set_attribute("error.type", "cancelled")
            raise
        finally:
            span.end()


async def _within(span: Span, chunks: AsyncGenerator[bytes, None]) -> bytes | None:
    """The next chunk, asked for in the span's context; None after the last."""
    token = context.attach(set_span_in_context(span))
    try:
        return await anext(chunks, None)
    finally:
        context.detach(token)


def _note(span: Span, answer: Json) -> None:
    """What an answer or a chunk tells, without what it says."""
    usage, choices = answer.get("usage") or {}, answer.get("choices") or []
    reasons = [reason for one in choices if isinstance(reason := one.get("finish_reason"), str)]
    told = {
        "gen_ai.response.id": answer.get("id"),
        "gen_ai.response.model": answer.get("model"),
        "gen_ai.usage.input_tokens": usage.get("prompt_tokens"),
        "gen_ai.usage.output_tokens": usage.get("completion_tokens"),
        "gen_ai.response.finish_reasons": reasons or None,
    }
    span.set_attributes({name: value for name, value in told.items() if value is not None})
