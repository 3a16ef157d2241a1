"""Completions and chunks of completions, as servers send them: fields may be missing, null or of another type.

The runtime reads what it needs and ignores fields of another type. Callers of /v1 receive everything unchanged, and
the openai SDK does not check types either.
"""

from typing import Any

import orjson

from agent_runtime import untrusted_json
from agent_runtime.errors import Problem
from agent_runtime.models.base import Json
from agent_runtime.models.refusals import refused

# The last chunk of a stream that ended properly, but without a finish reason and without [DONE]. The answer may be
# incomplete.
TRUNCATED = b""
# Finish reasons of complete answers. Any other one, such as length or content_filter, means that the answer was cut.
COMPLETE = frozenset({"stop", "tool_calls", "function_call"})
_STATUS_OF_CODE = {
    "content_filter": 400,
    "context_length_exceeded": 400,
    "invalid_request_error": 400,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
}


def read_chunk(model: str, kind: bytes, data: bytes) -> tuple[bytes, bool]:
    """Return the JSON of the chunk in an event, and whether it has a finish reason. Pings are returned, too.

    Raises:
        Problem: the data is no JSON, or an error.
    """
    try:
        parsed = untrusted_json.loads(data)
    except untrusted_json.InvalidJsonError:
        data, parsed = _normalized(model, data)
    if kind == b"error" or is_error(parsed):
        raise in_band_error(model, parsed)
    return data, isinstance(choice(parsed).get("finish_reason"), str)


def completion(model: str, answer: bytes) -> Json:
    """Return the chat completion in a response body, with a message in each choice.

    Raises:
        Problem: the body is an error or no chat completion.
    """
    parsed = read_json(model, answer)
    if is_error(parsed):
        raise in_band_error(model, parsed)
    found: Json = parsed if isinstance(parsed, dict) else {}
    choices = found.get("choices")
    if not isinstance(choices, list) or not choices or not all(map(_has_message, choices)):
        raise Problem(502, "model_bad_response", f"{model}: the model's server sent no chat completion")
    return found


def read_json(model: str, data: bytes) -> Any:
    """Return the value of the JSON that a server sent.

    Raises:
        Problem: it is no JSON.
    """
    try:
        return untrusted_json.loads(data)
    except untrusted_json.InvalidJsonError:
        return _normalized(model, data)[1]


def in_band_error(model: str, parsed: Any) -> Problem:
    """Return the problem that an error in a response with status 200 describes."""
    error = parsed.get("error") if isinstance(parsed, dict) else None
    error = error if isinstance(error, dict) else parsed
    fields: Json = error if isinstance(error, dict) else {}
    numbers = (fields.get(name) for name in ("code", "status", "status_code"))
    status = next((number for number in numbers if type(number) is int and 400 <= number < 600), None)  # noqa: PLR2004
    if status is None:
        codes = (_STATUS_OF_CODE.get(str(fields.get(name))) for name in ("code", "type"))
        status = next((code for code in codes if code), 500)
    return refused(model, status, {}, orjson.dumps({"error": fields}))


def choice(parsed: Any) -> Json:
    """Return the first choice of a completion or chunk; empty if there is none."""
    choices = parsed.get("choices") if isinstance(parsed, dict) else None
    for one in choices if isinstance(choices, list) else ():
        if isinstance(one, dict) and not one.get("index"):
            return one
    return {}


def message(one: Json) -> Json:
    """Return the message or the delta of a choice; empty if there is none."""
    found = one.get("delta") or one.get("message")
    return found if isinstance(found, dict) else {}


def finish_reason(one: Json) -> str | None:
    """Return the finish reason of a choice."""
    reason = one.get("finish_reason")
    return reason if isinstance(reason, str) else None


def usage(parsed: Any) -> Json | None:
    """Return the usage in a completion or chunk."""
    found = parsed.get("usage") if isinstance(parsed, dict) else None
    return found if isinstance(found, dict) and found else None


def content_text(content: Any) -> str:
    """Return the text of a content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def text(found: Json) -> str:
    """Return the text of a message or delta: its content or its refusal."""
    return content_text(found.get("content")) or content_text(found.get("refusal"))


def tool_calls(found: Json) -> list[Json]:
    """Return the tool calls of a message or delta, each with an object in `function`."""
    calls = found.get("tool_calls")
    objects = (call for call in calls if isinstance(call, dict)) if isinstance(calls, list) else ()
    return [call if isinstance(call.get("function"), dict) else call | {"function": {}} for call in objects]


def as_chunks(whole: Json) -> list[bytes]:
    """Return a completion as the chunks of a stream."""
    head = {name: value for name, value in whole.items() if name not in {"choices", "usage"}}
    head["object"] = "chat.completion.chunk"
    choices = []
    for one in whole["choices"]:
        found = message(one)
        calls = [{"index": index, **call} for index, call in enumerate(tool_calls(found))]
        delta = {"role": "assistant", **found} | ({"tool_calls": calls} if calls else {})
        choices.append({name: value for name, value in one.items() if name != "message"} | {"delta": delta})
    found_usage = usage(whole)
    last = [head | {"choices": [], "usage": found_usage}] if found_usage else []
    return [orjson.dumps(chunk) for chunk in (head | {"choices": choices}, *last)]


def is_error(parsed: Any) -> bool:
    """Return whether the JSON of a response with status 200 is an error."""
    return isinstance(parsed, dict) and bool(parsed.get("error") or parsed.get("object") == "error")


def _has_message(one: Any) -> bool:
    """Return whether a choice has a message. A choice that a filter emptied gets an empty one."""
    if not isinstance(one, dict):
        return False
    if one.get("message") is None and isinstance(one.get("finish_reason"), str):
        one["message"] = {"role": "assistant", "content": None}
    return isinstance(one.get("message"), dict)


def _normalized(model: str, data: bytes) -> tuple[bytes, Any]:
    try:
        data = untrusted_json.normalized(data)
        return data, untrusted_json.loads(data)
    except untrusted_json.InvalidJsonError as error:
        detail = f"{model}: the model's server sent invalid JSON: {error}"
        raise Problem(502, "model_bad_response", detail) from None
