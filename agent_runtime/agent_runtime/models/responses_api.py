"""Requests and responses of OpenAI's Responses API, from and to those of chat completions."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_runtime.errors import Problem
from agent_runtime.models import chunks
from agent_runtime.models.base import Json

# Fields of chat completions that the Responses API does not have, or has in another form.
_DROPPED = frozenset(
    {
        *("messages", "tools", "tool_choice", "response_format", "verbosity", "reasoning_effort", "max_tokens"),
        *("max_completion_tokens", "stream_options", "n", "stop", "seed", "logit_bias", "logprobs", "presence_penalty"),
        *("frequency_penalty", "modalities", "audio", "prediction", "functions", "function_call"),
    }
)
# Fields of the Responses API with which a caller could read or leave data at the provider under the agent's key. The
# configuration may set some of them.
_OF_THE_CONFIG = frozenset(
    {
        *("store", "background", "previous_response_id", "conversation", "prompt", "input", "instructions"),
        "context_management",
    }
)
_FINISH_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


def checked(chat: Json) -> Json:
    """Return a caller's request without the fields that only the configuration may set.

    Raises:
        Problem: a field cannot be translated, or a tool would run at the server.
    """
    tools = chat.get("tools") or ()
    if not isinstance(tools, list | tuple):
        raise _invalid("tools", "must be a list")
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict) or tool.get("type") not in ("function", "custom"):
            # Others, such as mcp or web_search, would run at the provider and bypass the policies of the agent.
            raise _invalid(f"tools[{index}]", "must be an object with the type function")
    if not isinstance(chat.get("reasoning"), dict | None):
        raise _invalid("reasoning", "must be an object")
    # The prompt and the history precede the caller's messages, so that an index would mislead.
    if not all(isinstance(message.get("reasoning_items"), list | None) for message in chat["messages"]):
        raise _invalid("reasoning_items", "must be a list in each message")
    return {name: value for name, value in chat.items() if name not in _OF_THE_CONFIG}


def _invalid(path: str, fault: str) -> Problem:
    return Problem(400, "invalid_request", f"{path}: {fault}", param=path)


def request(chat: Json) -> Json:
    """Return the body of a request to create a response. The server stores nothing."""
    fields = {name: value for name, value in chat.items() if name not in _DROPPED and value is not None}
    fields = {"store": False} | fields | {"input": list(_items(chat["messages"]))}
    if limits := [limit for name in ("max_tokens", "max_completion_tokens") if (limit := chat.get(name)) is not None]:
        fields["max_output_tokens"] = limits[-1]
    if effort := chat.get("reasoning_effort"):
        fields["reasoning"] = {"effort": effort} | (fields.get("reasoning") or {})
    if chat.get("tools"):
        fields["tools"] = [_tool(tool) for tool in chat["tools"]]
    if (choice := chat.get("tool_choice")) is not None:
        fields["tool_choice"] = _flat(choice)
    if text := _text(chat):
        fields["text"] = text
    return fields


def _tool(tool: Json) -> Json:
    # Functions are strict by default here, but not in chat completions.
    flat: Json = _flat(tool)
    return {"strict": False} | flat if flat.get("type") == "function" else flat


def _flat(value: Any) -> Any:
    """Return an object without the nesting of its details below its type."""
    kind = value.get("type") if isinstance(value, dict) else None
    details = value.get(kind) if isinstance(kind, str) else None
    if not isinstance(details, dict):
        return value
    flat = {"type": kind} | {name: detail for name, detail in details.items() if detail is not None}
    if isinstance(flat.get("tools"), list):
        flat["tools"] = [_flat(tool) for tool in flat["tools"]]
    return flat


def _text(chat: Json) -> Json:
    found = _flat(chat.get("response_format"))
    text: Json = {"format": found} if isinstance(found, dict) else {}
    return text | ({"verbosity": chat["verbosity"]} if chat.get("verbosity") else {})


def _items(messages: list[Json]) -> Iterator[Json]:
    for message in messages:
        role, content = message["role"], message.get("content")
        if role == "tool":
            yield {
                "type": "function_call_output",
                "call_id": str(message.get("tool_call_id")),
                "output": content if isinstance(content, str) else chunks.content_text(content),
            }
            continue
        yield from filter(_is_encrypted_reasoning, message.get("reasoning_items") or ())
        if role == "assistant":
            content = chunks.text(message)
        if content:
            yield {"role": role, "content": [_part(part) for part in content] if isinstance(content, list) else content}
        for call in chunks.tool_calls(message):
            function = call["function"]
            names = {name: function.get(name) or "" for name in ("name", "arguments")}
            yield {"type": "function_call", "call_id": str(call.get("id")), **names}


def _is_encrypted_reasoning(item: Any) -> bool:
    """Return whether an item has all that the server needs. Others refer to what the server keeps."""
    return isinstance(item, dict) and item.get("type") == "reasoning" and bool(item.get("encrypted_content"))


def _part(part: Json) -> Json:
    kind = part.get("type")
    if kind == "text":
        return {"type": "input_text", "text": part.get("text") or ""}
    if kind == "image_url" and isinstance(image := part.get("image_url"), dict):
        return {"type": "input_image", "image_url": image.get("url"), "detail": image.get("detail") or "auto"}
    if kind == "file" and isinstance(file := part.get("file"), dict):
        return {"type": "input_file", **file}
    return part


def completion(model: str, answer: bytes) -> Json:
    """Return the chat completion for a response.

    Raises:
        Problem: the body is an error or no response.
    """
    parsed = chunks.read_json(model, answer)
    return from_response(model, parsed)


def from_response(model: str, parsed: Any) -> Json:
    """Return the chat completion for a parsed response.

    Raises:
        Problem: it is an error or no response.
    """
    if chunks.is_error(parsed) or (isinstance(parsed, dict) and parsed.get("status") == "failed"):
        raise chunks.in_band_error(model, parsed)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("output"), list):
        raise Problem(502, "model_bad_response", f"{model}: the model's server sent no response object")
    message = _message([item for item in parsed["output"] if isinstance(item, dict)])
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(parsed, message)}
    head = {"id": parsed.get("id"), "created": parsed.get("created_at"), "model": parsed.get("model")}
    usage_fields = usage(parsed)
    return head | {"object": "chat.completion", "choices": [choice]} | ({"usage": usage_fields} if usage_fields else {})


def _message(items: list[Json]) -> Json:
    parts = [part for item in items if item.get("type") == "message" for part in _dicts(item.get("content"))]
    calls = [call(item) for item in items if item.get("type") == "function_call"]
    reasoning = "".join(_reasoning(item) for item in items if item.get("type") == "reasoning")
    # The server can read what is encrypted again, in the next round of a tool loop.
    encrypted = [item for item in items if _is_encrypted_reasoning(item)]
    refusal = "".join(part["refusal"] for part in parts if isinstance(part.get("refusal"), str))
    message: Json = {"role": "assistant", "content": chunks.content_text(parts) or None, "refusal": refusal or None}
    others = {"tool_calls": calls, "reasoning_content": reasoning, "reasoning_items": encrypted}
    return message | {name: value for name, value in others.items() if value}


def _reasoning(item: Json) -> str:
    return chunks.content_text(item.get("content")) or chunks.content_text(item.get("summary"))


def _dicts(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def call(item: Json) -> Json:
    """Return the tool call in an item."""
    function = {name: item[name] if isinstance(item.get(name), str) else "" for name in ("name", "arguments")}
    return {"id": str(item.get("call_id") or item.get("id")), "type": "function", "function": function}


def finish_reason(response: Mapping[str, Any], message: Json) -> str:
    """Return the finish reason of a response."""
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    if response.get("status") == "incomplete" or reason:
        return _FINISH_REASONS.get(str(reason), "length")
    return "tool_calls" if message.get("tool_calls") else "stop"


def usage(response: Mapping[str, Any]) -> Json:
    """Return the usage of a response in the form of chat completions; empty if it has none."""
    found = response.get("usage")
    if not isinstance(found, dict):
        return {}
    pairs = {"prompt": "input", "completion": "output"}
    tokens = {f"{name}_tokens": found.get(f"{other}_tokens") for name, other in pairs.items()}
    details = {f"{name}_tokens_details": found.get(f"{other}_tokens_details") for name, other in pairs.items()}
    fields = tokens | {"total_tokens": found.get("total_tokens")} | details
    return {name: value for name, value in fields.items() if value is not None}
