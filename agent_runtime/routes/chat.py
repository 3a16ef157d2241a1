"""Conversations: the agent remembers what was said."""

import re
import uuid

from aiohttp import web
from pydantic import ConfigDict, Field

from agent_runtime.errors import Problem
from agent_runtime.keys import AGENT
from agent_runtime.logs import pseudonym
from agent_runtime.middleware import LOG_FIELDS
from agent_runtime.routes.body import Body, answer, read_object, validated

SESSION_ID = r"^[A-Za-z0-9._~-]{1,128}$"


class ChatRequest(Body):
    """A message, and the conversation that it belongs to: a new one when none is named."""

    model_config = ConfigDict(extra="forbid")

    message: str = Field(min_length=1)
    session_id: str | None = Field(None, pattern=SESSION_ID)
    model: str | None = None


async def chat(request: web.Request) -> web.Response:
    """POST /api/chat."""
    asked = validated(ChatRequest, await read_object(request))
    session_id = asked.session_id or uuid.uuid4().hex
    request[LOG_FIELDS]["session"] = pseudonym(session_id)
    said = await request.app[AGENT].chat(asked.message, session_id, asked.model)
    return answer({"response": said.text, "session_id": session_id, "model": said.model, "usage": said.usage})


async def show_session(request: web.Request) -> web.Response:
    """GET /api/sessions/{id}."""
    session_id = _session_id(request)
    turns = await request.app[AGENT].sessions.history(session_id)
    if not turns:
        raise _unknown()
    messages = [message for turn in turns for message in turn.messages]
    return answer({"session_id": session_id, "messages": messages})


async def forget_session(request: web.Request) -> web.Response:
    """DELETE /api/sessions/{id}."""
    if not await request.app[AGENT].sessions.delete(_session_id(request)):
        raise _unknown()
    return web.Response(status=204)


def _session_id(request: web.Request) -> str:
    session_id = request.match_info["id"]
    if not re.fullmatch(SESSION_ID, session_id):
        raise _unknown()
    request[LOG_FIELDS]["session"] = pseudonym(session_id)
    return session_id


def _unknown() -> Problem:
    return Problem(404, "session_not_found", "There is no such session, or its time has passed")


ROUTES = (
    web.post("/api/chat", chat),
    web.get("/api/sessions/{id}", show_session),
    web.delete("/api/sessions/{id}", forget_session),
)
