"""OpenAI's API: any client of it is a client of the agent."""

import time
from typing import Any, Literal

from aiohttp import web
from pydantic import ConfigDict, Field

from agent_runtime.errors import Problem
from agent_runtime.keys import AGENT
from agent_runtime.routes.body import Body, answer, read_object, validated


class Message(Body):
    """A message of a conversation; what else it holds goes to the model as it is."""

    model_config = ConfigDict(extra="allow")

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None


class CompletionRequest(Body):
    """The fields that the agent itself looks at; all others go to the model as they are."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    messages: list[Message] = Field(min_length=1)
    stream: bool | None = None


async def complete(request: web.Request) -> web.Response:
    """POST /v1/chat/completions."""
    fields = await read_object(request)
    if validated(CompletionRequest, fields).stream:
        raise Problem(400, "unsupported_value", "Streaming is not supported: set stream to false", param="stream")
    return answer(await request.app[AGENT].complete(fields))


async def list_models(request: web.Request) -> web.Response:
    """GET /v1/models."""
    agent = request.app[AGENT]
    created = int(time.time())
    models = [{"id": name, "object": "model", "created": created, "owned_by": "agent"} for name in agent.models]
    return answer({"object": "list", "data": models})


ROUTES = (web.post("/v1/chat/completions", complete), web.get("/v1/models", list_models))
