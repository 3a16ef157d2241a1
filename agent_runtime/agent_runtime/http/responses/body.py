"""The body of a request to create a response, as a chat completion request."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from agent_runtime.errors import Problem
from agent_runtime.http.responses.items import messages
from agent_runtime.models.base import Json

# What the document of the API says about the input and the tools. The agent accepts more kinds of items.
_TEXT = {"type": "string"}
_PART = {"type": "object", "required": ["type", "text"], "properties": {"type": {"const": "input_text"}, "text": _TEXT}}
_ITEM = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"enum": ["assistant", "developer", "system", "user"]},
        "content": {"anyOf": [_TEXT, {"type": "array", "items": _PART}]},
    },
}
_INPUT = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1, "items": _ITEM}]}
_FUNCTION = {
    "type": "object",
    "required": ["type", "name"],
    "properties": {"type": {"const": "function"}, "name": _TEXT},
}
_TOOLS = {"anyOf": [{"type": "array", "items": _FUNCTION}, {"type": "null"}]}
_CHOICES = {"enum": ["auto", "none", "required", None]}
_FORMAT = {"type": "object", "required": ["type"], "properties": {"type": {"enum": ["text", "json_object"]}}}
_NULL = {"type": "null"}
_FORMATS = {"anyOf": [{"type": "object", "properties": {"format": {"anyOf": [_FORMAT, _NULL]}}}, _NULL]}


MAX_OUTPUT_TOKENS = 10_000_000


def _whole_number(value: Any) -> Any:
    """Return a whole number as int: JSON does not distinguish 5.0 from 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class ResponseRequest(BaseModel):
    """The fields that the agent reads. Fields that it does not know go to the model unchanged."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    model: str | None = None
    input: Annotated[str | list[dict[str, Any]], WithJsonSchema(_INPUT)] = Field(min_length=1)
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    tools: Annotated[list[dict[str, Any]] | None, WithJsonSchema(_TOOLS)] = None
    tool_choice: Annotated[str | dict[str, Any] | None, WithJsonSchema(_CHOICES)] = None
    parallel_tool_calls: bool | None = None
    text: Annotated[dict[str, Any] | None, WithJsonSchema(_FORMATS)] = None
    reasoning: dict[str, Any] | None = None
    max_output_tokens: Annotated[int | None, BeforeValidator(_whole_number)] = Field(None, ge=1, le=MAX_OUTPUT_TOKENS)
    metadata: dict[str, str] | None = Field(None, max_length=16)
    conversation: None = Field(None, description="Not supported: use previous_response_id.")
    background: Annotated[bool | None, WithJsonSchema({"enum": [False, None]})] = None
    prompt: None = Field(None, description="Not supported: the agent has its own prompt; use instructions.")


# Fields that have another name or form in a chat completion request, or none.
_TRANSLATED = frozenset(ResponseRequest.model_fields) | {
    "context_management",
    "include",
    "max_tool_calls",
    "moderation",
    "stream_options",
    "top_logprobs",
    "truncation",
}


def completion_request(fields: Json, body: ResponseRequest) -> Json:
    """Return the chat completion request for the body of a request, without the turns before it.

    Raises:
        Problem: the body has what chat completions cannot express.
    """
    if body.background:
        raise _unsupported("background", "the agent answers at once: remove it")
    request = {name: value for name, value in fields.items() if name not in _TRANSLATED and value is not None}
    request["model"] = body.model
    request["messages"] = messages(body.input)
    if body.max_output_tokens is not None:
        request["max_completion_tokens"] = body.max_output_tokens
    if effort := (body.reasoning or {}).get("effort"):
        request["reasoning_effort"] = effort
    return request | _tools(body) | _text(body.text or {})


def _tools(body: ResponseRequest) -> Json:
    """Return the tools of the caller. Without any, the model gets those of the agent."""
    choice = None if body.tool_choice is None else _tool_choice(body.tool_choice)
    if not body.tools:
        return {}
    fields: Json = {"tools": [_tool(tool, f"tools[{index}]") for index, tool in enumerate(body.tools)]}
    if choice is not None:
        fields["tool_choice"] = choice
    if body.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = body.parallel_tool_calls
    return fields


def _tool(tool: Mapping[str, Any], path: str) -> Json:
    if tool.get("type") != "function":
        raise _unsupported(f"{path}.type", "use function; the agent runs its own tools if a request has none")
    if not isinstance(tool.get("name"), str):
        raise Problem(400, "invalid_request", f"{path}.name: must be a text", param=f"{path}.name")
    names = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {name: tool[name] for name in names if tool.get(name) is not None}}


def _tool_choice(choice: str | Json) -> str | Json:
    if isinstance(choice, str):
        if choice in _CHOICES["enum"]:
            return choice
        raise _unsupported("tool_choice", "use auto, none, required, function or allowed_tools")
    if choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    if choice.get("type") == "allowed_tools" and isinstance(choice.get("tools"), list):
        allowed = [_tool_choice(tool) for tool in choice["tools"] if isinstance(tool, dict)]
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.get("mode"), "tools": allowed}}
    raise _unsupported("tool_choice.type", "use auto, none, required, function or allowed_tools")


def _text(text: Mapping[str, Any]) -> Json:
    fields: Json = {"verbosity": text["verbosity"]} if text.get("verbosity") else {}
    found = text.get("format")
    kind = found.get("type") if isinstance(found, dict) else None
    if isinstance(found, dict) and kind == "json_schema":
        schema = {name: value for name, value in found.items() if name != "type" and value is not None}
        return fields | {"response_format": {"type": kind, "json_schema": schema}}
    if kind == "json_object":
        return fields | {"response_format": {"type": kind}}
    if found is None or kind == "text":
        return fields
    raise _unsupported("text.format.type", "use text, json_schema or json_object")


def _unsupported(path: str, remedy: str) -> Problem:
    return Problem(400, "unsupported_parameter", f"{path}: not supported: {remedy}", param=path)
