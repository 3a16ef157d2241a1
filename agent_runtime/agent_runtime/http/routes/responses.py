"""The Responses API of OpenAI: responses, streamed and not, of which the agent keeps the conversation."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import orjson
from aiohttp import web

from agent_runtime.agent.agent import Context
from agent_runtime.agent.conversations import Conversations, ResponseId, first_id, history
from agent_runtime.errors import Problem
from agent_runtime.http.app_keys import AGENT
from agent_runtime.http.middleware import LOG_FIELDS
from agent_runtime.http.responses.body import ResponseRequest, completion_request
from agent_runtime.http.responses.events import ResponseEvents
from agent_runtime.http.responses.items import output
from agent_runtime.http.responses.response import completed, item_status, new_response
from agent_runtime.http.routes.body import json_response, read_object, validated
from agent_runtime.http.routes.chat import store_key
from agent_runtime.http.routes.events import EventStream
from agent_runtime.logs import pseudonym
from agent_runtime.models import chunks
from agent_runtime.models.base import Json


@dataclass(frozen=True, slots=True)
class _Call:
    """A request to create a response, with what is needed to answer and to store it."""

    id: ResponseId
    parent: ResponseId | None
    request: Json
    context: Context
    created: Json
    stored: bool
    conversations: Conversations

    async def store(self, response: Json, message: Json, finish_reason: str | None) -> Json:
        """Store the turn if the caller wants it, the answer is whole and the turn not huge; return the response."""
        # Some models refuse fields that are empty.
        found = {name: value for name, value in message.items() if value}
        answer = {"role": "assistant", "content": None} | found
        whole = finish_reason is None or finish_reason in chunks.COMPLETE
        has_answer = bool(chunks.text(answer).strip() or chunks.tool_calls(answer))
        response = response | {"store": True}
        is_stored = self.stored and whole and has_answer
        return response | {
            "store": is_stored
            and await self.conversations.store(self.id, self.parent, self.request["messages"], answer, response)
        }


async def create(request: web.Request) -> web.StreamResponse:
    """POST /v1/responses."""
    fields = await read_object(request)
    body = validated(ResponseRequest, fields)
    call = await _call(request, fields, body)
    if body.stream:
        return await _stream(request, call)
    completion = await request.app[AGENT].complete(call.request, call.context)
    choice = chunks.choice(completion)
    message, reason = chunks.message(choice), chunks.finish_reason(choice)
    items = output(message, call.id.turn, item_status(reason))
    if isinstance(completion.get("model"), str):
        call.created["model"] = completion["model"]
    response = completed(call.created, items, reason, chunks.usage(completion))
    return json_response(await call.store(response, message, reason))


async def _call(request: web.Request, fields: Json, body: ResponseRequest) -> _Call:
    agent = request.app[AGENT]
    chat = completion_request(fields, body)
    conversations = _conversations(request)
    parent, earlier = None, []
    if body.previous_response_id is not None:
        parent = ResponseId.parse(body.previous_response_id, "previous_response_id")
        turns = await conversations.turns(parent, "previous_response_id")
        earlier = history(turns, chat["messages"], agent.max_history_tokens)
    response_id = parent.next() if parent else first_id()
    request[LOG_FIELDS]["session"] = pseudonym(response_id.session)
    return _Call(
        response_id,
        parent,
        chat,
        Context(earlier, body.instructions or ""),
        new_response(str(response_id), fields, body),
        body.store is not False,
        conversations,
    )


async def _stream(request: web.Request, call: _Call) -> web.StreamResponse:
    async with aclosing(_events(request, call)) as found, EventStream(request) as events:
        async for event in found:
            await events.send(orjson.dumps(event), event["type"].encode())
    return events.response


async def _events(request: web.Request, call: _Call) -> AsyncGenerator[Json, None]:
    """Yield the events of a response. A problem after the first one becomes the events response.failed and error."""
    found = ResponseEvents(call.created, call.id.turn)
    try:
        async with aclosing(await request.app[AGENT].open_stream(call.request, call.context)) as parts:
            for event in found.begin():
                yield event
            async for chunk in parts:
                for event in found.add(chunk):
                    yield event
        response = found.complete()
        found.response = await call.store(response, found.message.as_json(), found.finish_reason)
        for event in found.end():
            yield event
    except Problem as problem:
        if not found.begun:
            raise
        request[LOG_FIELDS]["code"] = problem.code
        for event in found.error(problem):
            yield event


async def show(request: web.Request) -> web.Response:
    """GET /v1/responses/{id}."""
    response_id = ResponseId.parse(request.match_info["id"])
    turn = (await _conversations(request).turns(response_id))[-1]
    response: Json = turn["response"]
    return json_response(response | {"output": output(turn["messages"][-1], response_id.turn, "completed")})


async def delete(request: web.Request) -> web.Response:
    """DELETE /v1/responses/{id}: forget the conversation of the response."""
    response_id = ResponseId.parse(request.match_info["id"])
    await _conversations(request).delete(response_id)
    return json_response({"id": str(response_id), "object": "response", "deleted": True})


def _conversations(request: web.Request) -> Conversations:
    return Conversations(request.app[AGENT].sessions, lambda session_id: store_key(request, session_id))


ROUTES = (
    web.post("/v1/responses", create),
    web.get("/v1/responses/{id}", show),
    web.delete("/v1/responses/{id}", delete),
)
