"""Spans of model calls, after OpenTelemetry's semantic conventions for generative AI."""

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
# Fields of a request that become attributes. Only numbers, because other fields may contain text of a user.
_REQUEST_NUMBERS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
}
# Chunks with a finish reason or the usage. Other chunks contain only a part of the answer.
_HAS_METADATA = re.compile(rb'"(finish_reason"\s*:\s*"|usage"\s*:\s*\{)')


class TracedModel:
    """A model with a span around each call."""

    def __init__(self, model: Model, config: ModelConfig, tracer: Tracer) -> None:
        self.name = model.name
        self._model = model
        self._tracer = tracer
        self._request_model = config.deployment or config.model or config.name
        self._attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _PROVIDERS[config.provider],
            "gen_ai.request.model": self._request_model,
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
            _set_response_attributes(span, completion)
            return completion

    async def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        """Answer a chat completion request in chunks; see Model."""
        start, first = time.perf_counter(), True
        with self._span(request) as span:
            span.set_attribute("gen_ai.request.stream", value=True)
            async with aclosing(self._model.stream(request)) as chunks:
                while (chunk := await _next_chunk(span, chunks)) is not None:
                    if first:
                        span.set_attribute("gen_ai.response.time_to_first_chunk", time.perf_counter() - start)
                    if first or _HAS_METADATA.search(chunk):
                        _set_response_attributes(span, orjson.loads(chunk))
                    first = False
                    yield chunk

    async def probe(self) -> Json:
        """Check the model; see health.Component."""
        return await self._model.probe()

    async def aclose(self) -> None:
        """Close connections and stop background tasks."""
        await self._model.aclose()

    @contextmanager
    def _span(self, request: Json) -> Iterator[Span]:
        """Open a span without making it current: between chunks, a generator runs in the context of its caller."""
        numbers = {
            name: request[field] for field, name in _REQUEST_NUMBERS.items() if type(request.get(field)) in {int, float}
        }
        span = self._tracer.start_span(
            f"chat {self._request_model}",
            kind=SpanKind.CLIENT,
            attributes=self._attributes | numbers,
            record_exception=False,
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


async def _next_chunk(span: Span, chunks: AsyncGenerator[bytes, None]) -> bytes | None:
    """Return the next chunk, or None after the last. The span is current while the model computes it."""
    token = context.attach(set_span_in_context(span))
    try:
        return await anext(chunks, None)
    finally:
        context.detach(token)


def _set_response_attributes(span: Span, response: Json) -> None:
    """Set attributes from a completion or a chunk, without its text."""
    usage, choices = _mapping(response.get("usage")), response.get("choices")
    found = [_mapping(choice).get("finish_reason") for choice in (choices if isinstance(choices, list) else ())]
    reasons = [reason for reason in found if isinstance(reason, str)]
    attributes = {
        "gen_ai.response.id": response.get("id"),
        "gen_ai.response.model": response.get("model"),
        "gen_ai.usage.input_tokens": usage.get("prompt_tokens"),
        "gen_ai.usage.output_tokens": usage.get("completion_tokens"),
        "gen_ai.usage.cache_read.input_tokens": _mapping(usage.get("prompt_tokens_details")).get("cached_tokens"),
        "gen_ai.usage.reasoning.output_tokens": _mapping(usage.get("completion_tokens_details")).get(
            "reasoning_tokens"
        ),
    }
    scalars = {name: value for name, value in attributes.items() if isinstance(value, str | int)}
    span.set_attributes(scalars | ({"gen_ai.response.finish_reasons": reasons} if reasons else {}))


def _mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
