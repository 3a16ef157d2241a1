"""JSON-RPC 2.0: what is asked, and how errors are told."""

from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

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
    """An answer that is an error.

    Attributes:
        code: JSON-RPC's or A2A's number for it.
        message: for people; quotes nothing that the caller sent.
        status: HTTP status; 200 unless the HTTP request itself is at fault.
    """

    def __init__(self, code: int, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class Call(BaseModel):
    """A request; a notification, which has no id, is answered like one with the id null."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, defer_build=True)

    method: str
    params: dict[str, Any] = {}
    id: str | int | None = None


def parse(body: bytes) -> Call:
    """The call in a request's body.

    Raises:
        RpcError: there is none; batches are not answered either.
    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RpcError(PARSE_ERROR, "The body is not valid JSON") from None
    if not isinstance(fields, dict) or fields.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'The body must be one JSON-RPC object with jsonrpc "2.0"')
    try:
        return Call.model_validate(fields)
    except ValidationError as error:
        raise RpcError(INVALID_REQUEST, explain(error).replace("\n", "; ")) from None


def result(call_id: Id, content: Any) -> bytes:
    """An answer that is a result."""
    return orjson.dumps({"jsonrpc": "2.0", "id": call_id, "result": content})


def failure(call_id: Id, error: RpcError) -> bytes:
    """An answer that is an error."""
    told = {"code": error.code, "message": error.message}
    return orjson.dumps({"jsonrpc": "2.0", "id": call_id, "error": told})
