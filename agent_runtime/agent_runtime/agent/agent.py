"""The agent: it adds the prompt and the history of the session to a request, and asks a model."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from agent_runtime.agent.budget import Budget
from agent_runtime.agent.chunk_streams import has_only_usage, whole
from agent_runtime.agent.system_message import with_prompt
from agent_runtime.agent.tool_loop import ChatCompletions
from agent_runtime.config import AgentConfig, LimitsConfig, MemoryConfig
from agent_runtime.errors import Problem
from agent_runtime.memory.base import SessionStore, latest, turn
from agent_runtime.metrics import Metrics
from agent_runtime.models import chunks
from agent_runtime.models.base import Json


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """The agent's answer to one message of a session.

    Attributes:
        text: the answer.
        model: name of the model that gave it.
        usage: tokens as the model reported them; empty if it did not.
        finish_reason: why the model stopped, such as stop, length or content_filter; None if it did not say.
    """

    text: str
    model: str
    usage: Mapping[str, Any]
    finish_reason: str | None

    @property
    def whole(self) -> bool:
        """Whether the answer has text and is complete. Only such an answer is stored."""
        return bool(self.text.strip()) and (self.finish_reason is None or self.finish_reason in chunks.COMPLETE)


@dataclass(frozen=True, slots=True)
class Context:
    """What precedes the messages of a request: earlier messages, and the caller's instructions after the prompt."""

    history: Sequence[Json] = ()
    instructions: str = ""


NO_CONTEXT = Context()


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
        self._prompt = prompt if prompt.strip() else ""
        self.models = tuple(model.name for model in config.models)
        self._chat_models = tuple(model.name for model in config.models if model.api != "embeddings")
        self._default = config.default.name
        self._limits = config.limits or LimitsConfig()
        self.max_history_tokens = (config.memory or MemoryConfig()).max_history_tokens
        self._completions = completions
        self.sessions = sessions
        self._metrics = metrics
        self._budget = budget

    async def complete(self, request: Json, context: Context = NO_CONTEXT) -> Json:
        """Answer the body of a chat completion request. The agent's prompt precedes the messages of the caller.

        Raises:
            Problem: the model is unknown, or did not answer.
        """
        self._check_length(request["messages"], len(context.instructions))
        return (await self._completions.complete(*self._call_arguments(request, context)))[1]

    async def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        """Answer like complete(), but yield the JSON of each chunk.

        Raises:
            Problem: like complete(); after some chunks, the model's stream broke off.
        """
        include_usage = (request.get("stream_options") or {}).get("include_usage") is True
        async with aclosing((await self._checked_stream(request))[1]) as found:
            async for chunk in found:
                # As in OpenAI's API, the last chunk, which contains only the usage, is sent only on request.
                if chunk != chunks.TRUNCATED and (include_usage or not has_only_usage(chunk)):
                    yield chunk

    async def open_stream(self, request: Json, context: Context = NO_CONTEXT) -> AsyncGenerator[bytes, None]:
        """Return all chunks of an answer, also the one with the usage; otherwise like stream().

        Raises:
            Problem: like stream(); also if the answer may be incomplete.
        """
        return whole(*await self._checked_stream(request, context))

    async def chat(self, message: str, session_id: str, model: str | None) -> ChatResponse:
        """Answer a message of a session. Store message and answer in the session if the answer is whole.

        Raises:
            Problem: the model is unknown, or did not answer. Nothing is stored.
        """
        answered_by, completion = await self._completions.complete(
            *self._call_arguments(await self._turn(message, session_id, model))
        )
        choice = chunks.choice(completion)
        text, usage = chunks.text(chunks.message(choice)), chunks.usage(completion) or {}
        response = ChatResponse(text, answered_by, usage, chunks.finish_reason(choice))
        await self._store(message, session_id, response)
        return response

    async def chat_stream(
        self, message: str, session_id: str, model: str | None
    ) -> AsyncGenerator[str | ChatResponse, None]:
        """Answer like chat(), but yield the text in parts, and the complete response last.

        Raises:
            Problem: like chat(); after some parts, the model's stream broke off. Nothing is stored.
        """
        parts: list[str] = []
        usage: Json = {}
        reason: str | None = None
        answered_by, stream = await self._stream(await self._turn(message, session_id, model))
        async with aclosing(whole(answered_by, stream)) as found:
            async for chunk in found:
                parsed = orjson.loads(chunk)
                usage = chunks.usage(parsed) or usage
                choice = chunks.choice(parsed)
                reason = chunks.finish_reason(choice) or reason
                if part := chunks.text(chunks.message(choice)):
                    parts.append(part)
                    yield part
        response = ChatResponse("".join(parts), answered_by, usage, reason)
        await self._store(message, session_id, response)
        yield response

    async def _store(self, message: str, session_id: str, response: ChatResponse) -> None:
        """Store a turn, unless the answer is empty or cut.

        Raises:
            Problem: the model failed while it answered, or sent neither a text nor a reason.
        """
        if response.finish_reason == "error":
            raise Problem(502, "model_unavailable", f"{response.model}: the model failed while it answered")
        if not response.text.strip() and response.finish_reason is None:
            raise Problem(502, "model_bad_response", f"{response.model}: the model's server sent no text")
        if response.whole:
            await self.sessions.append(session_id, turn(message, response.text, response.usage))

    async def _turn(self, message: str, session_id: str, model: str | None) -> Json:
        """Return the request for the next turn of a session: as much history as fits, and the message."""
        name = self._model_name(model)
        self._check_length([{"content": message}])
        # Earlier versions stored empty answers, which some models refuse.
        turns = [one for one in await self.sessions.history(session_id) if one["messages"][-1].get("content")]
        history = latest(turns, self.max_history_tokens)
        return {"model": name, "messages": [*history, {"role": "user", "content": message}]}

    async def _checked_stream(
        self, request: Json, context: Context = NO_CONTEXT
    ) -> tuple[str, AsyncGenerator[bytes, None]]:
        self._check_length(request["messages"], len(context.instructions))
        return await self._stream(request, context)

    async def _stream(self, request: Json, context: Context = NO_CONTEXT) -> tuple[str, AsyncGenerator[bytes, None]]:
        """Return the name of the model that answers, and its chunks."""
        start = time.perf_counter()
        model, found = await self._completions.stream(*self._call_arguments(request, context))
        self._metrics.first_token.labels(model).observe(time.perf_counter() - start)
        return model, found

    def _call_arguments(self, request: Json, context: Context = NO_CONTEXT) -> tuple[str, Json, float]:
        """Return the arguments of a model call: name of the model, request with the prompt, deadline."""
        if self._budget is not None:
            self._budget.check()
        deadline = asyncio.get_running_loop().time() + self._limits.request_timeout_seconds
        prompt = "\n\n".join(filter(None, (self._prompt, context.instructions)))
        messages = with_prompt(prompt, [*context.history, *request["messages"]])
        return self._model_name(request.get("model")), request | {"messages": messages}, deadline

    def _check_length(self, messages: Sequence[Json], more: int = 0) -> None:
        length, limit = sum(map(_length, messages)) + more, self._limits.max_input_chars
        if length > limit:
            detail = f"The messages have {length} characters, but the limit is {limit}: send fewer or shorter messages"
            raise Problem(413, "input_too_long", detail)

    def _model_name(self, name: str | None) -> str:
        return checked_name(name or self._default, self._chat_models)


def checked_name(name: str, names: Sequence[str]) -> str:
    """Return the name of a model.

    Raises:
        Problem: it is not one of the names.
    """
    if name not in names:
        detail = f"model: unknown name: use one of {', '.join(names)}"
        raise Problem(404, "model_not_found", detail, param="model")
    return name


def _length(message: Json) -> int:
    """Return the length of the texts of a message. Images count against the size limit of the body."""
    content = message.get("content") or ""
    length = len(content) if isinstance(content, str) else sum(_text_length(part.get("text")) for part in content)
    functions = [message.get("function_call")]
    if isinstance(calls := message.get("tool_calls"), list):
        functions += [call.get("function") for call in calls if isinstance(call, dict)]
    for function in functions:
        if isinstance(function, dict):
            length += _text_length(function.get("arguments"))
    return length + _text_length(message.get("reasoning_content"))


def _text_length(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0
