"""Items of the Responses API from and to messages of chat completions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from agent_runtime.errors import Problem
from agent_runtime.models import chunks
from agent_runtime.models.base import Json

# Tuples, because callers may send values that cannot be members of a set.
_ROLES = ("assistant", "developer", "system", "user")
_TEXT_PARTS = ("input_text", "output_text", "text", "refusal")
_REASONING = ("reasoning_content", "reasoning")
# Fields of a tool call that have another name in an item.
_CALL_FIELDS = frozenset({"id", "type", "function", "index"})
_ITEM_FIELDS = frozenset({"type", "id", "call_id", "name", "arguments", "status"})


def messages(items: str | Sequence[Json]) -> list[Json]:
    """Return the messages for the input of a request.

    Raises:
        Problem: an item is invalid or not supported. The problem names the first one.
    """
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    found: list[Json] = []
    for index, item in enumerate(items):
        kind = item.get("type") or "message"
        path = f"input[{index}]"
        add = _ADDERS.get(kind) if isinstance(kind, str) else None
        if add is None:
            raise _invalid(f"{path}.type", f"not supported: use one of {', '.join(_ADDERS)}")
        add(found, item, path)
    # Reasoning without an answer is of no use for a model.
    return [message for message in found if set(message) - {"role", *_REASONING}]


def _add_message(found: list[Json], item: Json, path: str) -> None:
    if item.get("role") not in _ROLES:
        raise _invalid(f"{path}.role", f"must be one of {', '.join(_ROLES)}")
    content = item.get("content")
    if not isinstance(content, str | list):
        raise _invalid(f"{path}.content", "must be a text or a list of parts")
    role = item["role"]
    if not isinstance(content, str):
        parts = [_part(part, f"{path}.content[{index}]") for index, part in enumerate(content)]
        # Not every model understands a list of parts, least of all of the assistant.
        joins = role != "user" or len(parts) == 1
        content = chunks.content_text(parts) if joins and all(part["type"] == "text" for part in parts) else parts
    if role == "assistant" and _awaits_content(found):
        found[-1]["content"] = content
    else:
        found.append({"role": role, "content": content})


def _add_reasoning(found: list[Json], item: Json, _: str) -> None:
    if text := chunks.content_text(item.get("content")):
        found.append({"role": "assistant", _REASONING[0]: text})


def _add_call(found: list[Json], item: Json, path: str) -> None:
    for name in ("call_id", "name", "arguments"):
        if not isinstance(item.get(name), str):
            raise _invalid(f"{path}.{name}", "must be a text")
    function = {"name": item["name"], "arguments": item["arguments"]}
    others = {name: value for name, value in item.items() if name not in _ITEM_FIELDS and value is not None}
    call = others | {"id": item["call_id"], "type": "function", "function": function}
    if not found or found[-1]["role"] != "assistant":
        found.append({"role": "assistant"})
    message = found[-1]
    message.setdefault("content", None)
    message.setdefault("tool_calls", []).append(call)


def _add_output(found: list[Json], item: Json, path: str) -> None:
    if not isinstance(item.get("call_id"), str):
        raise _invalid(f"{path}.call_id", "must be a text")
    output = item.get("output")
    if isinstance(output, list):
        parts = [_part(part, f"{path}.output[{index}]") for index, part in enumerate(output)]
        output = chunks.content_text(parts) if all(part["type"] == "text" for part in parts) else parts
    elif not isinstance(output, str):
        output = orjson.dumps(output).decode()
    found.append({"role": "tool", "tool_call_id": item["call_id"], "content": output})


_ADDERS: Mapping[str, Callable[[list[Json], Json, str], None]] = {
    "message": _add_message,
    "function_call": _add_call,
    "function_call_output": _add_output,
    "reasoning": _add_reasoning,
}


def _awaits_content(found: Sequence[Json]) -> bool:
    """Return whether the last message is reasoning whose answer follows."""
    return bool(found) and found[-1]["role"] == "assistant" and "content" not in found[-1]


def _part(part: Any, path: str) -> Json:
    """Return a part of a message's content in the form of chat completions."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in _TEXT_PARTS:
        text = part.get("refusal" if kind == "refusal" else "text")
        if not isinstance(text, str):
            raise _invalid(f"{path}.text", "must be a text")
        return {"type": "text", "text": text}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        detail = {"detail": part["detail"]} if part.get("detail") else {}
        return {"type": "image_url", "image_url": {"url": part["image_url"]} | detail}
    if kind == "input_file" and isinstance(part.get("file_data"), str):
        return {"type": "file", "file": {name: part[name] for name in ("filename", "file_data") if part.get(name)}}
    if kind == "input_audio" and isinstance(part.get("input_audio"), dict):
        return {"type": "input_audio", "input_audio": part["input_audio"]}
    raise _invalid(
        path, "not supported: use input_text, input_image with image_url, input_file with file_data, or input_audio"
    )


def _invalid(path: str, message: str) -> Problem:
    return Problem(400, "invalid_request", f"{path}: {message}", param=path)


def reasoning_text(message: Json) -> str:
    """Return the reasoning in a message or a delta."""
    texts = (message.get(name) for name in _REASONING)
    return next((text for text in texts if isinstance(text, str) and text), "")


def output(message: Json, suffix: str, status: str) -> list[Json]:
    """Return the output items for a message of the model. The suffix makes their ids unique."""
    items: list[Json] = []
    if reasoning := reasoning_text(message):
        items.append(reasoning_item(suffix, reasoning))
    if parts := content_parts(message):
        items.append(message_item(suffix, parts, status))
    for number, call in enumerate(chunks.tool_calls(message)):
        items.append(call_item(f"{suffix}{number}", call, status))
    return items


def content_parts(message: Json) -> list[Json]:
    """Return the parts of an output message."""
    parts: list[Json] = []
    if text := chunks.content_text(message.get("content")):
        parts.append({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
    if refusal := chunks.content_text(message.get("refusal")):
        parts.append({"type": "refusal", "refusal": refusal})
    return parts


def message_item(suffix: str, parts: Sequence[Json], status: str) -> Json:
    """Return the item of an answer."""
    return {"id": f"msg_{suffix}", "type": "message", "role": "assistant", "status": status, "content": list(parts)}


def reasoning_item(suffix: str, text: str) -> Json:
    """Return the item of the model's reasoning."""
    content = [{"type": "reasoning_text", "text": text}] if text else []
    return {"id": f"rs_{suffix}", "type": "reasoning", "summary": [], "content": content}


def call_item(suffix: str, call: Json, status: str) -> Json:
    """Return the item of a call of a caller's tool. Other fields, such as extra_content, come back with the item."""
    function = call["function"]
    names = {name: str(function.get(name) or "") for name in ("name", "arguments")}
    call_id = str(call.get("id") or f"call_{suffix}")
    others = {name: value for name, value in call.items() if name not in _CALL_FIELDS}
    return others | {"id": f"fc_{suffix}", "type": "function_call", "call_id": call_id, "status": status} | names
