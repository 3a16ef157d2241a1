"""The endpoints of the document, with the responses of each."""

from collections.abc import Sequence
from typing import Any

from agent_runtime.http.openapi.schemas import EVENT, SESSION, TEXT, ref

Json = dict[str, Any]
PATH = "/openapi.json"
EVENTS = "text/event-stream"
JSON = "application/json"
# Statuses of endpoints that require an API key, and of endpoints that call a model.
_GUARDED = (401, 429, 503)
_OF_MODELS = (401, 408, 413, 415, 429, 500, 502, 503, 504)
_DESCRIPTIONS = {
    400: "The request is invalid, or the model refuses it. `param` names the field.",
    401: "The API key is missing or invalid.",
    404: "Not found.",
    408: "The body did not arrive in time.",
    413: "The body, or the text in it, is too long.",
    415: "The body is not JSON.",
    429: "Too many requests, or the token budget is used up. See Retry-After.",
    500: "The agent failed.",
    502: "The model failed.",
    503: "The agent has too many requests in flight, or the model is down. See Retry-After.",
    504: "The model did not answer in time.",
}


def paths() -> Json:
    """Return all endpoints of the agent by path."""
    return _openai() | _chat() | _a2a() | _health() | _documents()


def _openai() -> Json:
    completion = _ok({JSON: ref("ChatCompletion"), EVENTS: EVENT}) | _errors("OpenAIError", 400, 404, *_OF_MODELS)
    return {
        "/v1/chat/completions": {
            "post": _operation(
                "createChatCompletion",
                "Create a chat completion, like OpenAI's API. Streams if `stream` is true.",
                completion,
                body="CompletionRequest",
            )
        },
        "/v1/embeddings": {
            "post": _operation(
                "createEmbeddings",
                "Create embeddings with a model that is configured for it.",
                _ok({JSON: ref("Embeddings")}) | _errors("OpenAIError", 400, 404, *_OF_MODELS),
                body="EmbeddingRequest",
            )
        },
        "/v1/models": {
            "get": _operation(
                "listModels", "List the models.", _ok({JSON: ref("Models")}) | _errors("OpenAIError", *_GUARDED)
            )
        },
        "/v1/models/{id}": {
            "get": _by_id("showModel", "Show a model.", ref("Model")),
        },
    } | _responses()


def _responses() -> Json:
    created = _ok({JSON: ref("Response"), EVENTS: EVENT}) | _errors("OpenAIError", 400, 404, *_OF_MODELS)
    created["200"]["links"] = {
        name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
        for name in ("showResponse", "deleteResponse")
    }
    summary = (
        "Create a response, like OpenAI's API. Streams if `stream` is true. The agent keeps the response, so that "
        "another one can continue it with `previous_response_id`, unless `store` is false or the answer is cut."
    )
    return {
        "/v1/responses": {"post": _operation("createResponse", summary, created, body="ResponseRequest")},
        "/v1/responses/{id}": {
            "get": _by_id("showResponse", "Show a response.", ref("Response")),
            "delete": _by_id("deleteResponse", "Delete the conversation of a response.", ref("DeletedResponse")),
        },
    }


def _by_id(name: str, summary: str, schema: Json) -> Json:
    parameter = {"name": "id", "in": "path", "required": True, "schema": TEXT}
    responses = _ok({JSON: schema}) | _errors("OpenAIError", 404, *_GUARDED)
    return _operation(name, summary, responses, parameters=[parameter])


def _chat() -> Json:
    return {
        "/api/chat": {
            "post": _operation(
                "chat",
                "Answer a message of a session. With `Accept: text/event-stream` the response is a stream of events: "
                '`delta` {"text"} for each part, then `done` {"session_id", "model", "usage", "finish_reason"}; '
                "or `error`, a problem.",
                _chat_response() | _errors("Problem", 400, 404, *_OF_MODELS),
                body="ChatRequest",
            )
        },
        "/api/sessions/{id}": {
            "get": _session("showSession", "Show the messages of a session.", _ok({JSON: ref("Session")})),
            "delete": _session("forgetSession", "Delete a session.", {"204": {"description": "Deleted."}}),
        },
    }


def _a2a() -> Json:
    responses = _ok({JSON: ref("RpcResponse"), EVENTS: EVENT}) | _errors("RpcResponse", 413, 415)
    summary = "Make a JSON-RPC call of A2A. An error of the call is a JSON-RPC error with status 200."
    return {
        "/.well-known/agent-card.json": {
            "get": _operation("getAgentCard", "Show the A2A agent card.", _ok({JSON: ref("AgentCard")}))
        },
        "/a2a": {
            "post": _operation(
                "callA2A", summary, responses | _errors("Problem", *_GUARDED, 408, 500), body="RpcRequest"
            )
        },
    }


def _health() -> Json:
    health = _states("Health", "The agent can answer.", "The agent cannot answer.")
    readiness = _states("Readiness", "The pod is ready.", "The pod is not ready.")
    return {
        "/health": {"get": _operation("getHealth", "Show the status of every component.", health)},
        "/health/ready": {"get": _operation("getReadiness", "Readiness probe.", readiness)},
        "/health/live": {"get": _operation("getLiveness", "Liveness probe.", _ok({JSON: ref("Liveness")}))},
    }


def _documents() -> Json:
    script = _ok({"text/javascript": TEXT})
    return {
        PATH: {"get": _operation("getOpenAPI", "Show this document.", _ok({JSON: {"type": "object"}}))},
        "/": {"get": _operation("getPage", "The chat page.", _ok({"text/html": TEXT}))},
        "/page.css": {"get": _operation("getPageStyle", "The style of the chat page.", _ok({"text/css": TEXT}))},
        "/page.js": {"get": _operation("getPageScript", "The script of the chat page.", script)},
        "/markdown.js": {"get": _operation("getPageMarkdown", "The part that renders Markdown.", script)},
        "/marked.js": {"get": _operation("getPageParser", "The parser of Markdown.", script)},
        "/icon.svg": {"get": _operation("getPageIcon", "The icon of the chat page.", _ok({"image/svg+xml": TEXT}))},
    }


def _operation(name: str, summary: str, responses: Json, *, body: str = "", parameters: Sequence[Json] = ()) -> Json:
    operation: Json = {"operationId": name, "summary": summary, "responses": responses}
    if body:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": ref(body)}}}
    return operation | ({"parameters": list(parameters)} if parameters else {})


def _session(name: str, summary: str, responses: Json) -> Json:
    session = {"name": "id", "in": "path", "required": True, "schema": SESSION}
    return _operation(name, summary, responses | _errors("Problem", *_GUARDED, 404), parameters=[session])


def _ok(content: Json) -> Json:
    return {"200": _response("Success.", content)}


def _chat_response() -> Json:
    responses = _ok({JSON: ref("ChatAnswer"), EVENTS: EVENT})
    session_id = {"id": "$response.body#/session_id"}
    responses["200"]["links"] = {
        name: {"operationId": name, "parameters": session_id} for name in ("showSession", "forgetSession")
    }
    return responses


def _states(schema: str, healthy: str, unhealthy: str) -> Json:
    content = {JSON: ref(schema)}
    return {"200": _response(healthy, content), "503": _response(unhealthy, content)}


def _errors(schema: str, *statuses: int) -> Json:
    kind = "application/problem+json" if schema == "Problem" else JSON
    return {str(status): _response(_DESCRIPTIONS[status], {kind: ref(schema)}) for status in statuses}


def _response(description: str, content: Json) -> Json:
    return {"description": description, "content": {kind: {"schema": schema} for kind, schema in content.items()}}
