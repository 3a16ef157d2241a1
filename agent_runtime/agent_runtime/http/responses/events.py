"""The events of a streamed response, from the chunks of a completion."""

from collections.abc import Iterator
from typing import Any

import orjson

from agent_runtime.agent.streamed_message import StreamedMessage
from agent_runtime.errors import Problem
from agent_runtime.http.responses import items, response
from agent_runtime.models import chunks
from agent_runtime.models.base import Json


class _Item:
    """An output item that grows. Its events end when the answer does."""

    def __init__(self, index: int, item: Json, part: Json | None) -> None:
        self.index = index
        self.item = item
        # The first part of the item, without its text.
        self.part = part
        self._texts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def fields(self) -> Json:
        """Return the fields that say which item an event concerns."""
        return {"item_id": self.item["id"], "output_index": self.index}

    def add(self, text: str) -> Json:
        """Add to the text; return the fields of the event."""
        self._texts.append(text)
        return self.fields() | {"delta": text}


# By the kind of an item: the name of its events, the field of the text in them, and the part that contains the text.
_KINDS: dict[str, tuple[str, str, Json | None]] = {
    "reasoning": ("reasoning_text", "text", {"type": "reasoning_text"}),
    "text": ("output_text", "text", {"type": "output_text", "annotations": [], "logprobs": []}),
    "refusal": ("refusal", "refusal", {"type": "refusal"}),
}


class ResponseEvents:
    """Translates the chunks of one streamed answer. Each event is a JSON object with its type."""

    def __init__(self, created: Json, suffix: str) -> None:
        self.response = created
        self.finish_reason: str | None = None
        self.message = StreamedMessage()
        self._suffix = suffix
        self._usage: Json | None = None
        self._number = 0
        # In the order of the output: by kind, or by the position of a tool call.
        self._items: dict[str | int, _Item] = {}
        self._output: list[Json] = []

    @property
    def begun(self) -> bool:
        """Whether there are events already."""
        return self._number > 0

    def begin(self) -> Iterator[Json]:
        """Yield the events before the first chunk."""
        for name in ("created", "in_progress"):
            yield self._event(f"response.{name}", response=self.response)

    def add(self, data: bytes) -> Iterator[Json]:
        """Yield the events for a chunk."""
        chunk: Any = orjson.loads(data)
        self._usage = chunks.usage(chunk) or self._usage
        choice = chunks.choice(chunk)
        self.finish_reason = chunks.finish_reason(choice) or self.finish_reason
        if isinstance(chunk, dict) and isinstance(chunk.get("model"), str) and not self.message.head:
            self.response["model"] = chunk["model"] or self.response["model"]
        self.message.add(chunk)
        delta = chunks.message(choice)
        yield from self._text("reasoning", items.reasoning_text(delta))
        yield from self._text("text", chunks.content_text(delta.get("content")))
        yield from self._text("refusal", chunks.content_text(delta.get("refusal")))
        for position, arguments in self.message.added_calls:
            yield from self._call(position, arguments)

    def complete(self) -> Json:
        """Return the response after the last chunk."""
        self._output = [self._done(key, item) for key, item in self._items.items()]
        return response.completed(self.response, self._output, self.finish_reason, self._usage)

    def end(self) -> Iterator[Json]:
        """Yield the events after complete()."""
        for (key, item), final in zip(self._items.items(), self._output, strict=True):
            yield from self._done_events(key, item, final)
        yield self._event(f"response.{self.response['status']}", response=self.response)

    def error(self, problem: Problem) -> Iterator[Json]:
        """Yield the events of a failed answer. The SDK raises an error because of the field `error`."""
        error = {"code": problem.code, "message": problem.detail}
        self.response = self.response | {"status": "failed", "error": error}
        yield self._event("response.failed", response=self.response)
        details = error | {"type": "api_error", "param": problem.param}
        yield self._event("error", **error, param=problem.param, error=details)

    def _text(self, kind: str, text: str) -> Iterator[Json]:
        if not text:
            return
        name, field, part = _KINDS[kind]
        item = self._items.get(kind)
        if item is None:
            item = self._items[kind] = _Item(len(self._items), self._new_item(kind), part)
            yield self._event("response.output_item.added", output_index=item.index, item=item.item)
            yield self._part_event("added", item, {**(part or {}), field: ""})
        logprobs: Json = {"logprobs": []} if kind == "text" else {}
        yield self._event(f"response.{name}.delta", content_index=0, **item.add(text), **logprobs)

    def _new_item(self, kind: str) -> Json:
        if kind == "reasoning":
            return items.reasoning_item(self._suffix, "")
        number = "" if kind == "text" else "r"
        return items.message_item(f"{self._suffix}{number}", [], "in_progress")

    def _call(self, position: int, arguments: str) -> Iterator[Json]:
        item = self._items.get(position)
        if item is None:
            call = self.message.call(position)
            call["function"] = call["function"] | {"arguments": ""}
            found = items.call_item(f"{self._suffix}{position}", call, "in_progress")
            item = self._items[position] = _Item(len(self._items), found, None)
            yield self._event("response.output_item.added", output_index=item.index, item=found)
        if arguments:
            yield self._event("response.function_call_arguments.delta", **item.add(arguments))

    def _done(self, key: str | int, item: _Item) -> Json:
        """Return the final form of an item."""
        status = response.item_status(self.finish_reason)
        if isinstance(key, int):
            return items.call_item(item.item["id"].removeprefix("fc_"), self.message.call(key), status)
        if key == "reasoning":
            return items.reasoning_item(self._suffix, item.text)
        return item.item | {"status": status, "content": [{**(item.part or {}), _KINDS[key][1]: item.text}]}

    def _done_events(self, key: str | int, item: _Item, final: Json) -> Iterator[Json]:
        if isinstance(key, int):
            fields = item.fields() | {"arguments": final["arguments"], "name": final["name"]}
            yield self._event("response.function_call_arguments.done", **fields)
        else:
            name, field, part = _KINDS[key]
            logprobs: Json = {"logprobs": []} if key == "text" else {}
            fields = item.fields() | {"content_index": 0, field: item.text} | logprobs
            yield self._event(f"response.{name}.done", **fields)
            yield self._part_event("done", item, {**(part or {}), field: item.text})
        yield self._event("response.output_item.done", output_index=item.index, item=final)

    def _part_event(self, name: str, item: _Item, part: Json) -> Json:
        return self._event(f"response.content_part.{name}", **item.fields(), content_index=0, part=part)

    def _event(self, kind: str, **fields: Any) -> Json:
        self._number += 1
        return {"type": kind, "sequence_number": self._number - 1, **fields}
