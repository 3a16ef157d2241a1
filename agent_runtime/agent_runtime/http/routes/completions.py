"""Chat completions, embeddings and models of OpenAI's API."""

import time
from contextlib import aclosing
from typing import Any, Literal

from aiohttp import web
from pydantic import ConfigDict, Field

from agent_runtime.errors import Problem
from agent_runtime.http.app_keys import AGENT, EMBEDDINGS
from agent_runtime.http.routes.body import Body, json_response, read_object, validated
from agent_runtime.http.routes.events import EventStream
from agent_runtime.models.sse import DONE


class Part(Body):
    """A part of a message: text, an image, or another type that the model accepts."""

    model_config = ConfigDict(extra="allow")

    type: str
    text: str | None = None


class Message(Body):
    """A message. Other fields go to the model unchanged."""

    model_config = ConfigDict(extra="allow")

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class CompletionRequest(Body):
    """The fields that the agent reads. Other fields go to the model unchanged."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    messages: list[Message] = Field(min_length=1)
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None


async def complete(request: web.Request) -> web.StreamResponse:
    """POST /v1/chat/completions."""
    fields = await read_object(request)
    if not validated(CompletionRequest, fields).stream:
        return json_response(await request.app[AGENT].complete(fields))
    async with aclosing(request.app[AGENT].stream(fields)) as chunks, EventStream(request) as events:
        async for chunk in chunks:
            await events.send(chunk)
        await events.send(DONE)
    return events.response


class EmbeddingRequest(Body):
    """The fields that the agent reads. Other fields go to the model unchanged."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    input: str | list[Any]


async def embed(request: web.Request) -> web.Response:
    """POST /v1/embeddings."""
    fields = await read_object(request)
    validated(EmbeddingRequest, fields)
    return json_response(await request.app[EMBEDDINGS].create(fields))


async def list_models(request: web.Request) -> web.Response:
    """GET /v1/models."""
    return json_response({"object": "list", "data": [_model(name) for name in request.app[AGENT].models]})


async def show_model(request: web.Request) -> web.Response:
    """GET /v1/models/{id}."""
    name = request.match_info["id"]
    if name not in request.app[AGENT].models:
        raise Problem(
            404, "model_not_found", "The agent has no such model: list them with GET /v1/models", param="model"
        )
    return json_response(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(time.time()), "owned_by": "agent"}


ROUTES = (
    web.post("/v1/chat/completions", complete),
    web.post("/v1/embeddings", embed),
    web.get("/v1/models", list_models),
    web.get("/v1/models/{id}", show_model),
)
