"""The chat API. The agent remembers the messages of a session."""

import uuid
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import web
from pydantic import ConfigDict, Field

from agent_runtime.agent.agent import ChatResponse
from agent_runtime.errors import Problem
from agent_runtime.http import session_ids
from agent_runtime.http.app_keys import AGENT
from agent_runtime.http.middleware import CALLER, LOG_FIELDS
from agent_runtime.http.routes.body import Body, json_response, read_object, validated
from agent_runtime.http.routes.events import EVENT_STREAM, EventStream
from agent_runtime.http.session_ids import SessionId
from agent_runtime.logs import pseudonym

# Proxies may decode a %2F in the path.
SESSION = "/api/sessions/{id:.+}"


class ChatRequest(Body):
    """A message, and the session that it belongs to. Without session_id the agent starts a new session."""

    model_config = ConfigDict(extra="forbid")

    message: str = Field(min_length=1)
    session_id: SessionId | None = None
    model: str | None = None


async def chat(request: web.Request) -> web.StreamResponse:
    """POST /api/chat."""
    body = validated(ChatRequest, await read_object(request))
    session_id = body.session_id or uuid.uuid4().hex
    request[LOG_FIELDS]["session"] = pseudonym(session_id)
    if EVENT_STREAM in request.headers.get("Accept", ""):
        return await _stream(request, body, session_id)
    response = await request.app[AGENT].chat(body.message, store_key(request, session_id), body.model)
    return json_response({"response": response.text, **_metadata(response, session_id)})


async def _stream(request: web.Request, body: ChatRequest, session_id: str) -> web.StreamResponse:
    """Events: delta {"text"} for each part, then done with the metadata; or error with a problem."""
    parts = request.app[AGENT].chat_stream(body.message, store_key(request, session_id), body.model)
    async with aclosing(parts), EventStream(request) as events:
        async for part in parts:
            if isinstance(part, str):
                await events.send(orjson.dumps({"text": part}), b"delta")
            else:
                await events.send(orjson.dumps(_metadata(part, session_id)), b"done")
    return events.response


def _metadata(response: ChatResponse, session_id: str) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "model": response.model,
        "usage": response.usage,
        "finish_reason": response.finish_reason,
    }


async def show_session(request: web.Request) -> web.Response:
    """GET /api/sessions/{id}."""
    session_id = _session_id(request)
    turns = await request.app[AGENT].sessions.history(store_key(request, session_id))
    if not turns:
        raise _not_found()
    messages = [message for turn in turns for message in turn["messages"]]
    return json_response({"session_id": session_id, "messages": messages})


async def forget_session(request: web.Request) -> web.Response:
    """DELETE /api/sessions/{id}."""
    if not await request.app[AGENT].sessions.delete(store_key(request, _session_id(request))):
        raise _not_found()
    return web.Response(status=204)


def _session_id(request: web.Request) -> str:
    session_id = request.match_info["id"]
    if not session_ids.is_valid(session_id):
        raise _not_found()
    request[LOG_FIELDS]["session"] = pseudonym(session_id)
    return session_id


def store_key(request: web.Request, session_id: str) -> str:
    """Return the id of the session in the store. With API keys, each caller has its own sessions."""
    return session_ids.key(request[CALLER], session_id)


def _not_found() -> Problem:
    return Problem(404, "session_not_found", "The session does not exist or has expired: start a new one")


ROUTES = (
    web.post("/api/chat", chat),
    web.get(SESSION, show_session),
    web.delete(SESSION, forget_session),
)
