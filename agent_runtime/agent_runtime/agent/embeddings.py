"""Requests for embeddings, which pass through to a model."""

import asyncio

from agent_runtime.agent.agent import checked_name
from agent_runtime.agent.budget import Budget
from agent_runtime.agent.tool_loop import ChatCompletions
from agent_runtime.config import AgentConfig, LimitsConfig
from agent_runtime.errors import Problem
from agent_runtime.models.base import Json


class Embeddings:
    """The models with the API embeddings."""

    def __init__(self, config: AgentConfig, calls: ChatCompletions, budget: Budget | None) -> None:
        self._names = tuple(model.name for model in config.models if model.api == "embeddings")
        self._seconds = (config.limits or LimitsConfig()).request_timeout_seconds
        self._calls = calls
        self._budget = budget

    async def create(self, request: Json) -> Json:
        """Answer the body of a request with the response of the model. Without a name, it is the first one.

        Raises:
            Problem: the agent has no such model, the budget is used up, or the model did not answer.
        """
        if not self._names:
            detail = "model: the agent has no model for embeddings: configure one with the api embeddings"
            raise Problem(404, "model_not_found", detail, param="model")
        name = checked_name(request.get("model") or self._names[0], self._names)
        if self._budget is not None:
            self._budget.check()
        deadline = asyncio.get_running_loop().time() + self._seconds
        return (await self._calls.complete(name, request, deadline))[1]
