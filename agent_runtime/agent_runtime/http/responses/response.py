"""The response object of the Responses API."""

import time
from collections.abc import Sequence
from typing import Any

from agent_runtime.http.responses.body import ResponseRequest
from agent_runtime.models.base import Json

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
# Fields of a request that its response repeats, with their defaults.
_REPEATED: Json = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


def new_response(response_id: str, fields: Json, body: ResponseRequest) -> Json:
    """Return the response to a request before the model answers."""
    repeated = {name: default if fields.get(name) is None else fields[name] for name, default in _REPEATED.items()}
    return {
        "id": response_id,
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": body.model or "",
        "output": [],
        "store": body.store is not False,
        "usage": None,
        **repeated,
    }


def completed(response: Json, output: Sequence[Json], finish_reason: str | None, usage: Json | None) -> Json:
    """Return a response after the model's answer."""
    reason = _INCOMPLETE.get(finish_reason or "")
    return response | {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": list(output),
        "usage": _usage(usage) if usage else None,
    }


def item_status(finish_reason: str | None) -> str:
    """Return the status of the items of an answer."""
    return "incomplete" if finish_reason in _INCOMPLETE else "completed"


def _usage(usage: Json) -> Json:
    """Return the usage of a chat completion in the form of the Responses API."""
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    cached = _count(usage.get("prompt_tokens_details"), "cached_tokens")
    reasoning = _count(usage.get("completion_tokens_details"), "reasoning_tokens")
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": _count(usage, "total_tokens") or prompt + completion,
    }


def _count(fields: Any, name: str) -> int:
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, int) else 0
