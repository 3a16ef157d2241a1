"""Requests for embeddings, which pass through to a model."""

import asyncio
from typing import Any

from agent_runtime.agent.agent import checked_name
from agent_runtime.agent.budget import Budget
from agent_runtime.agent.tool_loop import ChatCompletions
from agent_runtime.config import AgentConfig, LimitsConfig
from agent_runtime.errors import Problem
from agent_runtime.models.base import Json

# A token has about four characters of English.
_CHARACTERS_PER_TOKEN = 4


class Embeddings:
    """The models with the API embeddings."""

    def __init__(self, config: AgentConfig, calls: ChatCompletions, budget: Budget | None) -> None:
        self._names = tuple(model.name for model in config.models if model.api == "embeddings")
        self._limits = config.limits or LimitsConfig()
        self._calls = calls
        self._budget = budget

    async def create(self, request: Json) -> Json:
        """Answer the body of a request with the response of the model. Without a name, it is the first one.

        Raises:
            Problem: the agent has no such model, the input is too long, the budget is used up, or the model did not
                answer.
        """
        if not self._names:
            detail = "model: the agent has no model for embeddings: configure one with the api embeddings"
            raise Problem(404, "model_not_found", detail, param="model")
        name = checked_name(request.get("model") or self._names[0], self._names)
        self._check_length(request.get("input"))
        if self._budget is not None:
            self._budget.check()
        deadline = asyncio.get_running_loop().time() + self._limits.request_timeout_seconds
        return (await self._calls.complete(name, request, deadline))[1]

    def _check_length(self, texts: Any) -> None:
        length, limit = _length(texts), self._limits.max_input_chars
        if length > limit:
            detail = f"input: it has {length} characters, but the limit is {limit}: send fewer or shorter texts"
            raise Problem(413, "input_too_long", detail, param="input")


def _length(texts: Any) -> int:
    """Return the characters of texts, which are a text, tokens, or a list of either. A token counts as four of them."""
    if isinstance(texts, str):
        return len(texts)
    if isinstance(texts, dict):
        return sum(map(_length, texts.values()))
    if not isinstance(texts, list):
        return _CHARACTERS_PER_TOKEN
    return sum(map(_length, texts))
