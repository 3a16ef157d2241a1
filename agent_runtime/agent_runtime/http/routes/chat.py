"""Conversations: the agent remembers what was said."""

import re
import uuid
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import web
from pydantic import ConfigDict, Field

from agent_runtime.agent.agent import Answer
from agent_runtime.errors import Problem
from agent_runtime.http.keys import AGENT
from agent_runtime.http.middleware import CALLER, LOG_FIELDS
from agent_runtime.http.routes.body import Body, answer, read_object, validated
from agent_runtime.http.routes.events import EVENT_STREAM, EventStream
from agent_runtime.logs import pseudonym

SESSION_ID = r"^[A-Za-z0-9._~-]{1,128}$"


class ChatRequest(Body):
    """A message, and the conversation that it belongs to: a new one when none is named."""

    model_config = ConfigDict(extra="forbid")

    message: str = Field(min_length=1)
    session_id: str | None = Field(None, pattern=SESSION_ID)
    model: str | None = None


async def chat(request: web.Request) -> web.StreamResponse:
    """POST /api/chat."""
    asked = validated(ChatRequest, await read_object(request))
    session_id = asked.session_id or uuid.uuid4().hex
    request[LOG_FIELDS]["session"] = pseudonym(session_id)
    if EVENT_STREAM in request.headers.get("Accept", ""):
        return await _chat_in_pieces(request, asked, session_id)
    said = await request.app[AGENT].chat(asked.message, kept_as(request, session_id), asked.model)
    return answer({"response": said.text, **_about(said, session_id)})


async def _chat_in_pieces(request: web.Request, asked: ChatRequest, session_id: str) -> web.StreamResponse:
    """Events: delta {"text"} for each piece, then done {"session_id", "model", "usage"}; or error with a problem."""
    pieces = request.app[AGENT].chat_stream(asked.message, kept_as(request, session_id), asked.model)
    async with aclosing(pieces), EventStream(request) as events:
        async for piece in pieces:
            if isinstance(piece, str):
                await events.send(orjson.dumps({"text": piece}), b"delta")
            else:
                await events.send(orjson.dumps(_about(piece, session_id)), b"done")
    return events.response


def _about(said: Answer, session_id: str) -> dict[str, Any]:
    return {"session_id": session_id, "model": said.model, "usage": said.usage}


async def show_session(request: web.Request) -> web.Response:
    """GET /api/sessions/{id}."""
    session_id = _session_id(request)
    turns = await request.app[AGENT].sessions.history(kept_as(request, session_id))
    if not turns:
        raise _unknown()
    messages = [message for turn in turns for message in turn["messages"]]
    return answer({"session_id": session_id, "messages": messages})


async def forget_session(request: web.Request) -> web.Response:
    """DELETE /api/sessions/{id}."""
    if not await request.app[AGENT].sessions.delete(kept_as(request, _session_id(request))):
        raise _unknown()
    return web.Response(status=204)


def _session_id(request: web.Request) -> str:
    session_id = request.match_info["id"]
    if not re.fullmatch(SESSION_ID, session_id):
        raise _unknown()
    request[LOG_FIELDS]["session"] = pseudonym(session_id)
    return session_id


def kept_as(request: web.Request, session_id: str) -> str:
    """The session's id in the store: a caller with a key of its own sees no other's sessions."""
    caller = request[CALLER]
    return f"{caller}:{session_id}" if caller else session_id


def _unknown() -> Problem:
    return Problem(404, "session_not_found", "There is no such session, or its time has passed")


ROUTES = (
    web.post("/api/chat", chat),
    web.get("/api/sessions/{id}", show_session),
    web.delete("/api/sessions/{id}", forget_session),
)
