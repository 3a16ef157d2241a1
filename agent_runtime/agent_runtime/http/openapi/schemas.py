"""The schemas of the document: of requests from their pydantic models, of responses written by hand."""

from typing import Any

from pydantic.json_schema import models_json_schema

from agent_runtime.http import session_ids
from agent_runtime.http.responses.body import ResponseRequest
from agent_runtime.http.routes.chat import ChatRequest
from agent_runtime.http.routes.completions import CompletionRequest, EmbeddingRequest

Json = dict[str, Any]
TEXT: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 0}
ANY_OBJECT: Json = {"type": "object"}


def _object(required: Json, optional: Json | None = None, description: str = "") -> Json:
    about = {"description": description} if description else {}
    return {"type": "object", "required": list(required), "properties": required | (optional or {})} | about


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _one_of(*values: str) -> Json:
    return {"type": "string", "enum": list(values)}


def ref(name: str) -> Json:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


PROBLEM = _object(
    {"title": TEXT, "status": {"type": "integer", "minimum": 400, "maximum": 599}, "code": TEXT, "detail": TEXT},
    {"param": TEXT | {"description": "JSON path of the invalid field."}},
    "An error in the format of RFC 9457. Clients may branch on code.",
)
EVENT = _object({"data": TEXT}, {"event": TEXT}, "One server-sent event. Its data is JSON or [DONE].")
MAYBE_TEXT: Json = {"type": ["string", "null"]}
OPENAI_ERROR = _object(
    {"error": _object({"message": TEXT, "type": TEXT, "param": MAYBE_TEXT, "code": MAYBE_TEXT})},
    description="An error in OpenAI's format.",
)
USAGE = _object({}, {"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT})
COMPLETION = _object(
    {
        "id": TEXT,
        "object": {"const": "chat.completion"},
        "created": COUNT,
        "model": TEXT,
        "choices": _list(_object({"index": COUNT, "message": ANY_OBJECT, "finish_reason": MAYBE_TEXT})),
    },
    {"usage": USAGE},
)
EMBEDDINGS = _object({"data": _list(ANY_OBJECT)}, {"usage": USAGE})
MODEL = _object({"id": TEXT, "object": {"const": "model"}, "created": COUNT, "owned_by": TEXT})
MODELS = _object({"object": {"const": "list"}, "data": _list(ref("Model"))})
RESPONSE_USAGE = _object({"input_tokens": COUNT, "output_tokens": COUNT, "total_tokens": COUNT})
RESPONSE = _object(
    {
        "id": TEXT,
        "object": {"const": "response"},
        "created_at": COUNT,
        "model": TEXT,
        "status": _one_of("completed", "incomplete", "in_progress", "failed"),
        "output": _list(_object({"id": TEXT, "type": _one_of("message", "function_call", "reasoning")})),
        "incomplete_details": {"anyOf": [_object({"reason": TEXT}), {"type": "null"}]},
        "usage": {"anyOf": [RESPONSE_USAGE, {"type": "null"}]},
        "store": {"type": "boolean"},
    }
)
DELETED_RESPONSE = _object({"id": TEXT, "object": {"const": "response"}, "deleted": {"const": True}})
SESSION: Json = TEXT | {"pattern": session_ids.PATTERN, "minLength": 1, "maxLength": session_ids.MAX_BYTES}
CHAT_ANSWER = _object(
    {"response": TEXT, "session_id": SESSION, "model": TEXT, "usage": USAGE, "finish_reason": MAYBE_TEXT},
    description="An answer. Only one with text and the finish reason stop is stored in the session.",
)
SESSION_CONTENT = _object({"session_id": SESSION, "messages": _list(_object({"role": TEXT}))})
COMPONENT = _object(
    {"name": TEXT, "status": _one_of("healthy", "degraded", "unhealthy"), "latency_ms": {"type": "number"}},
    {"details": ANY_OBJECT},
)
HEALTH = _object(
    {
        "status": _one_of("healthy", "degraded", "unhealthy"),
        "timestamp": TEXT | {"format": "date-time"},
        "version": TEXT,
        "uptime_seconds": {"type": "number", "minimum": 0},
        "components": _list(COMPONENT),
    }
)
READY = _object({"status": _one_of("ready", "not_ready")}, {"reasons": _list(TEXT)})
ALIVE = _object({"status": {"const": "alive"}})
SKILL = _object({"id": TEXT, "name": TEXT, "description": TEXT, "tags": _list(TEXT)}, {"examples": _list(TEXT)})
INTERFACE = _object({"url": TEXT, "protocolBinding": TEXT, "protocolVersion": TEXT})
CARD = _object(
    {
        "name": TEXT,
        "description": TEXT,
        "version": TEXT,
        "url": TEXT,
        "protocolVersion": TEXT,
        "supportedInterfaces": _list(INTERFACE),
        "capabilities": ANY_OBJECT,
        "defaultInputModes": _list(TEXT),
        "defaultOutputModes": _list(TEXT),
        "skills": _list(SKILL),
    },
    description="The agent card of A2A 1.0, with the fields of A2A 0.3.",
)
RPC_ID: Json = {"type": ["string", "integer", "null"]}
RPC_REQUEST = _object(
    {"jsonrpc": {"const": "2.0"}, "method": TEXT},
    {"id": RPC_ID, "params": ANY_OBJECT},
    "A call of A2A 1.0 (SendMessage, SendStreamingMessage, GetTask, CancelTask, SubscribeToTask) or of 0.3 "
    "(message/send, message/stream, tasks/get, tasks/cancel, tasks/resubscribe).",
)
RPC_ERROR = _object({"code": {"type": "integer"}, "message": TEXT})
RPC_RESPONSE = _object({"jsonrpc": {"const": "2.0"}, "id": RPC_ID}, {"result": ANY_OBJECT, "error": RPC_ERROR}) | {
    "oneOf": [{"required": ["result"]}, {"required": ["error"]}]
}


def components() -> Json:
    """Return all schemas by name."""
    kinds = (ChatRequest, CompletionRequest, EmbeddingRequest, ResponseRequest)
    _, requests = models_json_schema([(kind, "validation") for kind in kinds], ref_template=ref("{model}")["$ref"])
    responses = {
        "Problem": PROBLEM,
        "OpenAIError": OPENAI_ERROR,
        "ChatCompletion": COMPLETION,
        "Embeddings": EMBEDDINGS,
        "Model": MODEL,
        "Models": MODELS,
        "Response": RESPONSE,
        "DeletedResponse": DELETED_RESPONSE,
        "ChatAnswer": CHAT_ANSWER,
        "Session": SESSION_CONTENT,
        "Health": HEALTH,
        "Readiness": READY,
        "Liveness": ALIVE,
        "AgentCard": CARD,
        "RpcRequest": RPC_REQUEST,
        "RpcResponse": RPC_RESPONSE,
    }
    return {**requests["$defs"], **responses}
