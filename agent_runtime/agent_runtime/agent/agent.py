"""The agent: it adds the prompt and the history of the session to a request, and asks a model."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from agent_runtime.agent.budget import Budget
from agent_runtime.agent.tool_loop import ChatCompletions
from agent_runtime.config import AgentConfig, LimitsConfig, MemoryConfig
from agent_runtime.errors import Problem
from agent_runtime.memory.base import SessionStore, latest, turn
from agent_runtime.metrics import Metrics
from agent_runtime.models.base import Json

# Only chunks that contain the usage are parsed. Most do not.
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
# Bytes of all chunks of a response, also of several rounds of tools.
MAX_ANSWER_BYTES = 16 * 1024 * 1024
# More tokens than one response can have. A larger number could not be added to the count in Redis.
MAX_TOKENS = 10**9


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """The agent's answer to one message of a session, with the name of the model that gave it."""

    text: str
    model: str
    usage: Mapping[str, Any]


class Agent:
    """Answers chat completion requests, which are stateless, and messages of sessions, which it remembers."""

    def __init__(
        self,
        config: AgentConfig,
        prompt: str,
        completions: ChatCompletions,
        sessions: SessionStore,
        metrics: Metrics,
        budget: Budget | None = None,
    ) -> None:
        self._system: tuple[Json, ...] = ({"role": "system", "content": prompt},) if prompt.strip() else ()
        self.models = tuple(model.name for model in config.models)
        self._default = config.default.name
        self._limits = config.limits or LimitsConfig()
        self._max_history_tokens = (config.memory or MemoryConfig()).max_history_tokens
        self._completions = completions
        self.sessions = sessions
        self._metrics = metrics
        self._budget = budget

    async def complete(self, request: Json) -> Json:
        """Answer the body of a chat completion request. The agent's prompt precedes the messages of the caller.

        Raises:
            Problem: the model is unknown, or did not answer.
        """
        self._check_length(request["messages"])
        return (await self._complete(request))[1]

    async def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        """Answer like complete(), but yield the JSON of each chunk.

        Raises:
            Problem: like complete(); after some chunks, the model's stream broke off.
        """
        self._check_length(request["messages"])
        include_usage = (request.get("stream_options") or {}).get("include_usage") is True
        async with aclosing((await self._stream(request))[1]) as chunks:
            async for chunk, usage in chunks:
                # As in OpenAI's API, the last chunk, which contains only the usage, is sent only on request.
                if usage is None or include_usage or orjson.loads(chunk)["choices"]:
                    yield chunk

    async def chat(self, message: str, session_id: str, model: str | None) -> ChatResponse:
        """Answer a message of a session, and store message and answer in the session.

        Raises:
            Problem: the model is unknown, or did not answer. Nothing is stored.
        """
        answered_by, completion = await self._complete(await self._turn(message, session_id, model))
        text = _text(completion["choices"][0]["message"])
        usage = completion.get("usage") or {}
        await self.sessions.append(session_id, turn(message, text, usage))
        return ChatResponse(text, answered_by, usage)

    async def chat_stream(
        self, message: str, session_id: str, model: str | None
    ) -> AsyncGenerator[str | ChatResponse, None]:
        """Answer like chat(), but yield the text in parts, and the complete response last.

        Raises:
            Problem: like chat(); after some parts, the model's stream broke off. Nothing is stored.
        """
        parts: list[str] = []
        usage: Json = {}
        answered_by, stream = await self._stream(await self._turn(message, session_id, model))
        async with aclosing(stream) as chunks:
            async for chunk, chunk_usage in chunks:
                usage = chunk_usage or usage
                choices = orjson.loads(chunk)["choices"]
                if choices and (part := _text(choices[0]["delta"])):
                    parts.append(part)
                    yield part
        text = "".join(parts)
        await self.sessions.append(session_id, turn(message, text, usage))
        yield ChatResponse(text, answered_by, usage)

    async def _turn(self, message: str, session_id: str, model: str | None) -> Json:
        """Return the request for the next turn of a session: as much history as fits, and the message."""
        name = self._model_name(model)
        self._check_length([{"content": message}])
        history = latest(await self.sessions.history(session_id), self._max_history_tokens)
        return {"model": name, "messages": [*history, {"role": "user", "content": message}]}

    async def _complete(self, request: Json) -> tuple[str, Json]:
        model, completion = await self._completions.complete(*self._call_arguments(request))
        self._count_tokens(model, completion.get("usage") or {})
        return model, completion

    async def _stream(self, request: Json) -> tuple[str, AsyncGenerator[tuple[bytes, Json | None], None]]:
        """Return the name of the model that answers, and its chunks, each with the usage that it contains."""
        start = time.perf_counter()
        model, chunks = await self._completions.stream(*self._call_arguments(request))
        self._metrics.first_token.labels(model).observe(time.perf_counter() - start)
        return model, self._counted(model, chunks)

    async def _counted(
        self, model: str, chunks: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[tuple[bytes, Json | None], None]:
        size = 0
        async with aclosing(chunks):
            async for chunk in chunks:
                size += len(chunk)
                if size > MAX_ANSWER_BYTES:
                    detail = f"{model}: the answer is longer than {MAX_ANSWER_BYTES} bytes"
                    raise Problem(502, "model_bad_response", detail)
                usage = orjson.loads(chunk).get("usage") if _USAGE.search(chunk) else None
                if usage is not None:
                    self._count_tokens(model, usage)
                yield chunk, usage

    def _call_arguments(self, request: Json) -> tuple[str, Json, float]:
        """Return the arguments of a model call: name of the model, request with the prompt, deadline."""
        if self._budget is not None:
            self._budget.check()
        deadline = asyncio.get_running_loop().time() + self._limits.request_timeout_seconds
        messages = [*self._system, *request["messages"]]
        return self._model_name(request.get("model")), request | {"messages": messages}, deadline

    def _check_length(self, messages: Sequence[Json]) -> None:
        length, limit = sum(map(_length, messages)), self._limits.max_input_chars
        if length > limit:
            detail = f"The messages have {length} characters, but the limit is {limit}: send fewer or shorter messages"
            raise Problem(413, "input_too_long", detail)

    def _count_tokens(self, model: str, usage: Json) -> None:
        for kind in ("prompt", "completion"):
            reported = usage.get(f"{kind}_tokens")
            tokens = min(max(reported, 0), MAX_TOKENS) if isinstance(reported, int) else 0
            self._metrics.count_tokens(model, kind, tokens)
            if self._budget is not None:
                self._budget.spend(tokens)

    def _model_name(self, name: str | None) -> str:
        name = name or self._default
        if name not in self.models:
            detail = f"model: unknown name: use one of {', '.join(self.models)}"
            raise Problem(404, "model_not_found", detail, param="model")
        return name


def _text(message: Json) -> str:
    """Return the text of a message or of a delta."""
    return message.get("content") or message.get("refusal") or ""


def _length(message: Json) -> int:
    """Return the length of the text of a message. Images count against the size limit of the body."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return len(content)
    return sum(len(part.get("text") or "") for part in content)
