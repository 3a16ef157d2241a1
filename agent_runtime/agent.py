"""The agent: a prompt, models and a memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_runtime.errors import Problem
from agent_runtime.memory.base import SessionStore, Turn
from agent_runtime.metrics import Metrics
from agent_runtime.models.base import Json, Model

# About 16,000 tokens; the newest turns that fit are sent along.
MAX_HISTORY_CHARS = 64_000


@dataclass(frozen=True, slots=True)
class Answer:
    """The agent's answer to one message of a conversation."""

    text: str
    model: str
    usage: Mapping[str, Any]


class Agent:
    """Answers chat completions, with no memory, and messages of conversations, with one."""

    def __init__(
        self, prompt: str, models: Mapping[str, Model], default: str, sessions: SessionStore, metrics: Metrics
    ) -> None:
        self._system: tuple[Json, ...] = ({"role": "system", "content": prompt},) if prompt.strip() else ()
        self.models = models
        self.default = default
        self.sessions = sessions
        self._metrics = metrics

    async def complete(self, request: Json) -> Json:
        """Answer the body of a chat completion request, with the agent's prompt before the caller's messages.

        Raises:
            Problem: there is no such model, or it did not answer.
        """
        model = self._model(request.get("model"))
        try:
            completion = await model.complete(request | {"messages": [*self._system, *request["messages"]]})
        except Problem as problem:
            self._metrics.model_errors.labels(model.name, problem.code).inc()
            raise
        usage = completion.get("usage") or {}
        for kind in ("prompt", "completion"):
            self._metrics.tokens.labels(model.name, kind).inc(usage.get(f"{kind}_tokens") or 0)
        return completion

    async def chat(self, message: str, session_id: str, model: str | None) -> Answer:
        """Answer a message of a conversation and remember both.

        Raises:
            Problem: there is no such model, or it did not answer; then nothing is remembered.
        """
        name = self._model(model).name
        history = _latest(await self.sessions.history(session_id))
        messages = [*history, {"role": "user", "content": message}]
        completion = await self.complete({"model": name, "messages": messages})
        said = completion["choices"][0]["message"]
        text = said.get("content") or said.get("refusal") or ""
        await self.sessions.append(session_id, Turn.of(message, text))
        return Answer(text, name, completion.get("usage") or {})

    def _model(self, name: str | None) -> Model:
        model = self.models.get(name or self.default)
        if model is None:
            known = ", ".join(self.models)
            raise Problem(404, "model_not_found", f"There is no such model; there are: {known}", param="model")
        return model


def _latest(turns: Sequence[Turn]) -> list[Json]:
    """The messages of the newest turns that fit MAX_HISTORY_CHARS."""
    room = MAX_HISTORY_CHARS
    kept: list[Turn] = []
    for turn in reversed(turns):
        room -= sum(len(message.get("content") or "") for message in turn.messages)
        if room < 0:
            break
        kept.append(turn)
    return [message for turn in reversed(kept) for message in turn.messages]
