"""JSON-RPC 2.0: parse calls, and build results and errors."""

from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from agent_runtime import untrusted_json
from agent_runtime.config import explain

Id = str | int | None

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
TASK_NOT_FOUND = -32001
TASK_NOT_CANCELABLE = -32002
PUSH_NOTIFICATION_NOT_SUPPORTED = -32003
UNSUPPORTED_OPERATION = -32004
CONTENT_TYPE_NOT_SUPPORTED = -32005
VERSION_NOT_SUPPORTED = -32009


class RpcError(Exception):
    """An error response.

    Attributes:
        code: error code of JSON-RPC or A2A.
        message: for people. It quotes nothing that the caller sent.
        status: HTTP status; 200 unless the HTTP request itself is invalid.
    """

    def __init__(self, code: int, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class Call(BaseModel):
    """A call. A notification, which has no id, is answered like a call with the id null."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, defer_build=True)

    method: str
    params: dict[str, Any] = {}
    id: str | int | None = None


def parse(body: bytes) -> Call:
    """Parse the body of a request.

    Raises:
        RpcError: the body is not exactly one call. Batches are not supported.
    """
    try:
        fields = untrusted_json.loads(body)
    except untrusted_json.InvalidJsonError as error:
        raise RpcError(PARSE_ERROR, f"The body is not valid JSON: {error}") from None
    if not isinstance(fields, dict) or fields.get("jsonrpc") != "2.0":
        raise RpcError(
            INVALID_REQUEST, 'The body must be one JSON-RPC object with jsonrpc "2.0"; batches are not supported'
        )
    try:
        return Call.model_validate(fields)
    except ValidationError as error:
        raise RpcError(INVALID_REQUEST, explain(error).replace("\n", "; ")) from None


def result(call_id: Id, content: Any) -> bytes:
    """Return the response to a call that succeeded."""
    return orjson.dumps({"jsonrpc": "2.0", "id": call_id, "result": content})


def error_response(call_id: Id, error: RpcError) -> bytes:
    """Return the response to a call that failed."""
    fields = {"code": error.code, "message": error.message}
    return orjson.dumps({"jsonrpc": "2.0", "id": call_id, "error": fields})
