"""The chunks of a completion, from the events of a streamed response."""

from collections.abc import Iterator
from typing import Any

import orjson

from agent_runtime.models import chunks, responses_api
from agent_runtime.models.base import Json

_TEXTS = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning_content",
    "response.reasoning_summary_text.delta": "reasoning_content",
}
_ENDS = frozenset({"response.completed", "response.incomplete"})
_FAILURES = frozenset({"response.failed", "error"})


class ResponseChunks:
    """Translates the events of one response."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._head: Json = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": ""}
        # By output index: index among the calls, and whether arguments have arrived.
        self._calls: dict[Any, int] = {}
        self._with_arguments: set[int] = set()
        self._has_text = self._has_role = False
        self.finished = False

    def add(self, kind: bytes, data: bytes) -> Iterator[bytes]:
        """Yield the chunks for an event.

        Raises:
            Problem: the data is no JSON, or an error.
        """
        event = chunks.read_json(self._model, data)
        name = event.get("type") if isinstance(event, dict) else None
        if kind == b"error" or chunks.is_error(event) or name in _FAILURES:
            raise chunks.in_band_error(self._model, _failure(event))
        if name in _TEXTS:
            self._has_text = self._has_text or _TEXTS[name] != "reasoning_content"
            yield self._chunk({_TEXTS[name]: _string(event.get("delta"))})
        elif name in {"response.output_item.added", "response.output_item.done"}:
            yield from self._item(event, whole=name.endswith("done"))
        elif name == "response.function_call_arguments.delta" and event.get("output_index") in self._calls:
            yield self._arguments(self._calls[event["output_index"]], _string(event.get("delta")))
        elif name in _ENDS:
            yield from self._end(event.get("response"))
        elif name == "response.created":
            self._set_head(event.get("response"))

    def _item(self, event: Json, *, whole: bool) -> Iterator[bytes]:
        item, place = event.get("item"), event.get("output_index")
        if not isinstance(item, dict) or item.get("type") != "function_call" or not isinstance(place, int):
            if whole and isinstance(item, dict) and item.get("type") == "reasoning" and item.get("encrypted_content"):
                yield self._chunk({"reasoning_items": [item]})
            return
        call = responses_api.call(item)
        if place not in self._calls:
            index = self._calls[place] = len(self._calls)
            function = call["function"] | {"arguments": ""}
            yield self._chunk({"tool_calls": [call | {"index": index, "function": function}]})
        index, arguments = self._calls[place], call["function"]["arguments"]
        if whole and arguments and index not in self._with_arguments:
            yield self._arguments(index, arguments)

    def _arguments(self, index: int, text: str) -> bytes:
        self._with_arguments.add(index)
        return self._chunk({"tool_calls": [{"index": index, "function": {"arguments": text}}]})

    def _end(self, response: Any) -> Iterator[bytes]:
        """Yield the last chunks, and the message if no part of it has arrived."""
        whole = responses_api.from_response(self._model, response)
        self._set_head(response)
        self.finished = True
        if not self._has_text and not self._calls:
            yield from chunks.as_chunks(whole)
            return
        reason = whole["choices"][0]["finish_reason"]
        yield self._chunk({}, "tool_calls" if self._calls and reason == "stop" else reason)
        if usage := chunks.usage(whole):
            yield orjson.dumps(self._head | {"choices": [], "usage": usage})

    def _set_head(self, response: Any) -> None:
        fields: Json = response if isinstance(response, dict) else {}
        for name, other in (("id", "id"), ("model", "model"), ("created", "created_at")):
            self._head[name] = fields.get(other) or self._head[name]

    def _chunk(self, delta: Json, finish_reason: str | None = None) -> bytes:
        role = {} if self._has_role else {"role": "assistant"}
        self._has_role = True
        choice = {"index": 0, "delta": role | delta, "finish_reason": finish_reason}
        return orjson.dumps(self._head | {"choices": [choice]})


def _failure(event: Any) -> Any:
    """Return the object with the error of an event."""
    response = event.get("response") if isinstance(event, dict) else None
    return response if isinstance(response, dict) and response.get("error") else event


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
