"""The document: which endpoints there are, and what each answers."""

from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from agent_runtime.config import AgentConfig
from agent_runtime.environment import version
from agent_runtime.http.middleware import GUARDED
from agent_runtime.http.openapi.schemas import EVENT, SESSION, TEXT, components, ref

Json = dict[str, Any]
PATH = "/openapi.json"
EVENTS = "text/event-stream"
JSON = "application/json"
# Who may not come in, or not now; and what asking a model may end with.
_GUARDED = (401, 429, 503)
_OF_MODELS = (401, 408, 413, 415, 429, 500, 502, 503, 504)
_MEANING = {
    400: "The request is at fault, or the model refuses it; `param` names the field.",
    401: "No API key, or none of the agent's.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    413: "The body, or what it says, is too long.",
    415: "The body is not JSON.",
    429: "Too many requests, or the budget is spent; see Retry-After.",
    500: "The agent failed.",
    502: "The model failed.",
    503: "Too busy, or the model is down; see Retry-After.",
    504: "The model did not answer in time.",
}


def add_openapi(app: web.Application, config: AgentConfig) -> None:
    """Serve the document. It tells of the routes that the application has when it is first asked for."""
    written: list[bytes] = []

    async def show(_: web.Request) -> web.Response:
        """GET /openapi.json."""
        if not written:
            written.append(orjson.dumps(document(app, config)))
        return web.Response(body=written[0], content_type=JSON)

    app.router.add_get(PATH, show)


def document(app: web.Application, config: AgentConfig) -> Json:
    """The document of an application."""
    served = {resource.canonical for resource in app.router.resources()}
    keys = config.server is not None and config.server.api_keys_file is not None
    paths = {path: methods for path, methods in _paths().items() if path in served}
    if keys:
        for path, methods in paths.items():
            if path.startswith(GUARDED):
                for operation in methods.values():
                    operation["security"] = [{"apiKey": []}]
    described = components()
    scheme = {"securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}}} if keys else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": (config.card and config.card.name) or "Agent",
            "description": "One AI agent: OpenAI's API, conversations, A2A and health.",
            "version": version(),
        },
        "paths": paths,
        "components": {"schemas": described} | scheme,
    }


def _paths() -> Json:
    return {
        "/v1/chat/completions": {
            "post": _operation(
                "createChatCompletion",
                "Answer a chat completion request, as OpenAI's API does; streams when `stream` is true.",
                _answers({JSON: ref("ChatCompletion"), EVENTS: EVENT}) | _errors("OpenAIError", 400, 404, *_OF_MODELS),
                body="CompletionRequest",
            )
        },
        "/v1/models": {
            "get": _operation(
                "listModels", "The models.", _answers({JSON: ref("Models")}) | _errors("OpenAIError", *_GUARDED)
            )
        },
        "/api/chat": {
            "post": _operation(
                "chat",
                "Answer a message of a conversation. With `Accept: text/event-stream` the answer comes in events: "
                '`delta` {"text"} for each piece, then `done` {"session_id", "model", "usage"}; or `error`, a problem.',
                _chat_answer() | _errors("Problem", 400, 404, *_OF_MODELS),
                body="ChatRequest",
            )
        },
        "/api/sessions/{id}": {
            "get": _session("showSession", "What was said in a conversation.", _answers({JSON: ref("Session")})),
            "delete": _session("forgetSession", "Forget a conversation.", {"204": {"description": "It is forgotten."}}),
        },
        "/.well-known/agent-card.json": {
            "get": _operation("getAgentCard", "The A2A agent card.", _answers({JSON: ref("AgentCard")}))
        },
        "/a2a": {
            "post": _operation(
                "callA2A",
                "One JSON-RPC call of A2A. Errors of a call are JSON-RPC errors; tasks live in the replica's memory.",
                _answers({JSON: ref("RpcResponse"), EVENTS: EVENT})
                | _errors("RpcResponse", 413, 415)
                | _errors("Problem", *_GUARDED, 408, 500),
                body="RpcRequest",
            )
        },
        "/health": {
            "get": _operation("getHealth", "Every component.", _states("Health", "It answers.", "It cannot answer."))
        },
        "/health/ready": {
            "get": _operation(
                "getReadiness", "Whether requests may come.", _states("Readiness", "They may.", "Not now.")
            )
        },
        "/health/live": {
            "get": _operation("getLiveness", "Whether the process is alive.", _answers({JSON: ref("Liveness")}))
        },
        PATH: {"get": _operation("getOpenAPI", "This document.", _answers({JSON: {"type": "object"}}))},
        "/": {"get": _operation("getPage", "The chat page.", _answers({"text/html": TEXT}))},
        "/page.css": {"get": _operation("getPageStyle", "The chat page's style.", _answers({"text/css": TEXT}))},
        "/page.js": {
            "get": _operation("getPageScript", "The chat page's script.", _answers({"text/javascript": TEXT}))
        },
        "/icon.svg": {"get": _operation("getPageIcon", "The chat page's icon.", _answers({"image/svg+xml": TEXT}))},
    }


def _operation(name: str, summary: str, responses: Json, *, body: str = "", parameters: Sequence[Json] = ()) -> Json:
    told: Json = {"operationId": name, "summary": summary, "responses": responses}
    if body:
        told["requestBody"] = {"required": True, "content": {JSON: {"schema": ref(body)}}}
    return told | ({"parameters": list(parameters)} if parameters else {})


def _session(name: str, summary: str, answers: Json) -> Json:
    session = {"name": "id", "in": "path", "required": True, "schema": SESSION}
    return _operation(name, summary, answers | _errors("Problem", *_GUARDED, 404), parameters=[session])


def _answers(content: Json) -> Json:
    return {"200": _response("The answer.", content)}


def _chat_answer() -> Json:
    answers = _answers({JSON: ref("ChatAnswer"), EVENTS: EVENT})
    of_the_session = {"id": "$response.body#/session_id"}
    answers["200"]["links"] = {
        name: {"operationId": name, "parameters": of_the_session} for name in ("showSession", "forgetSession")
    }
    return answers


def _states(schema: str, good: str, bad: str) -> Json:
    content = {JSON: ref(schema)}
    return {"200": _response(good, content), "503": _response(bad, content)}


def _errors(schema: str, *statuses: int) -> Json:
    kind = "application/problem+json" if schema == "Problem" else JSON
    return {str(status): _response(_MEANING[status], {kind: ref(schema)}) for status in statuses}


def _response(description: str, content: Json) -> Json:
    return {"description": description, "content": {kind: {"schema": schema} for kind, schema in content.items()}}
