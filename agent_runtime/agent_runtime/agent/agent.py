"""The agent: a prompt, models and a memory."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from agent_runtime.agent.budget import Budget
from agent_runtime.agent.tool_loop import Answering
from agent_runtime.config import AgentConfig, LimitsConfig, MemoryConfig
from agent_runtime.errors import Problem
from agent_runtime.memory.base import SessionStore, latest, turn
from agent_runtime.metrics import Metrics
from agent_runtime.models.base import Json

# Chunks are only parsed when they tell the usage, which one of them does.
_USAGE = re.compile(rb'"usage"\s*:\s*\{')


@dataclass(frozen=True, slots=True)
class Answer:
    """The agent's answer to one message of a conversation."""

    text: str
    model: str
    usage: Mapping[str, Any]


class Agent:
    """Answers chat completions, with no memory, and messages of conversations, with one."""

    def __init__(
        self,
        config: AgentConfig,
        prompt: str,
        calls: Answering,
        sessions: SessionStore,
        metrics: Metrics,
        budget: Budget | None = None,
    ) -> None:
        self._system: tuple[Json, ...] = ({"role": "system", "content": prompt},) if prompt.strip() else ()
        self.models = tuple(model.name for model in config.models)
        self._default = config.default.name
        self._limits = config.limits or LimitsConfig()
        self._max_history_tokens = (config.memory or MemoryConfig()).max_history_tokens
        self._calls = calls
        self.sessions = sessions
        self._metrics = metrics
        self._budget = budget

    async def complete(self, request: Json) -> Json:
        """Answer the body of a chat completion request, with the agent's prompt before the caller's messages.

        Raises:
            Problem: there is no such model, or it did not answer.
        """
        self._check_length(request["messages"])
        return (await self._complete(request))[1]

    async def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        """Answer like complete(), with the JSON of one chunk at a time.

        Raises:
            Problem: as complete() does; after some chunks when the answer breaks off.
        """
        self._check_length(request["messages"])
        tell_usage = (request.get("stream_options") or {}).get("include_usage") is True
        async with aclosing((await self._stream(request))[1]) as chunks:
            async for chunk, usage in chunks:
                # A chunk that tells nothing but the usage is for those who asked for it.
                if usage is None or tell_usage or orjson.loads(chunk)["choices"]:
                    yield chunk

    async def chat(self, message: str, session_id: str, model: str | None) -> Answer:
        """Answer a message of a conversation and remember both.

        Raises:
            Problem: there is no such model, or it did not answer; then nothing is remembered.
        """
        answered_by, completion = await self._complete(await self._turn(message, session_id, model))
        text = _said(completion["choices"][0]["message"])
        usage = completion.get("usage") or {}
        await self.sessions.append(session_id, turn(message, text, usage))
        return Answer(text, answered_by, usage)

    async def chat_stream(self, message: str, session_id: str, model: str | None) -> AsyncGenerator[str | Answer, None]:
        """Answer like chat(), a piece of the text at a time, and last with the whole of it.

        Raises:
            Problem: as chat() does; after some pieces when the answer breaks off, which is then not remembered.
        """
        said: list[str] = []
        usage: Json = {}
        answered_by, stream = await self._stream(await self._turn(message, session_id, model))
        async with aclosing(stream) as chunks:
            async for chunk, told in chunks:
                usage = told or usage
                choices = orjson.loads(chunk)["choices"]
                if choices and (piece := _said(choices[0]["delta"])):
                    said.append(piece)
                    yield piece
        text = "".join(said)
        await self.sessions.append(session_id, turn(message, text, usage))
        yield Answer(text, answered_by, usage)

    async def _turn(self, message: str, session_id: str, model: str | None) -> Json:
        """The request for one more turn of a conversation."""
        name = self._known(model)
        self._check_length([{"content": message}])
        history = latest(await self.sessions.history(session_id), self._max_history_tokens)
        return {"model": name, "messages": [*history, {"role": "user", "content": message}]}

    async def _complete(self, request: Json) -> tuple[str, Json]:
        model, completion = await self._calls.complete(*self._prepared(request))
        self._count_tokens(model, completion.get("usage") or {})
        return model, completion

    async def _stream(self, request: Json) -> tuple[str, AsyncGenerator[tuple[bytes, Json | None], None]]:
        """The name of the model that answers, and its chunks, each with the usage if it tells one."""
        start = time.perf_counter()
        model, chunks = await self._calls.stream(*self._prepared(request))
        self._metrics.first_token.labels(model).observe(time.perf_counter() - start)
        return model, self._counted(model, chunks)

    async def _counted(
        self, model: str, chunks: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[tuple[bytes, Json | None], None]:
        async with aclosing(chunks):
            async for chunk in chunks:
                usage = orjson.loads(chunk)["usage"] if _USAGE.search(chunk) else None
                if usage is not None:
                    self._count_tokens(model, usage)
                yield chunk, usage

    def _prepared(self, request: Json) -> tuple[str, Json, float]:
        """What a call needs: model, request and deadline."""
        if self._budget is not None:
            self._budget.check()
        deadline = asyncio.get_running_loop().time() + self._limits.request_timeout_seconds
        messages = [*self._system, *request["messages"]]
        return self._known(request.get("model")), request | {"messages": messages}, deadline

    def _check_length(self, messages: Sequence[Json]) -> None:
        length, most = sum(map(_length, messages)), self._limits.max_input_chars
        if length > most:
            raise Problem(413, "input_too_long", f"The messages have {length} characters; at most {most} are read")

    def _count_tokens(self, model: str, usage: Json) -> None:
        for kind in ("prompt", "completion"):
            told = usage.get(f"{kind}_tokens")
            tokens = max(told, 0) if isinstance(told, int) else 0
            self._metrics.count_tokens(model, kind, tokens)
            if self._budget is not None:
                self._budget.spend(tokens)

    def _known(self, name: str | None) -> str:
        name = name or self._default
        if name not in self.models:
            known = ", ".join(self.models)
            raise Problem(404, "model_not_found", f"There is no such model; there are: {known}", param="model")
        return name


def _said(message: Json) -> str:
    """The text of a message or of a delta."""
    return message.get("content") or message.get("refusal") or ""


def _length(message: Json) -> int:
    """The characters of a message's text; pictures are for the limit of the body."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return len(content)
    return sum(len(part.get("text") or "") for part in content)
