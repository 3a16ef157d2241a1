"""A message that a model streams in chunks."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from agent_runtime.errors import Problem
from agent_runtime.models import chunks
from agent_runtime.models.base import Json
from agent_runtime.tools.toolbox import MAX_CALLS

_MESSAGE_FIELDS = frozenset({"role", "content", "tool_calls"})
_CALL_FIELDS = frozenset({"id", "index", "type", "function"})


class _Fields:
    """Other fields of a message or tool call, such as reasoning_content, which the model needs back in its next round.

    The parts of texts and lists are joined, objects are merged, and of other values the last one counts.
    """

    def __init__(self) -> None:
        # To append to one string would take quadratic time.
        self._texts: dict[str, list[str]] = {}
        self._values: Json = {}

    def add(self, fields: Json) -> None:
        for name, value in fields.items():
            if value is None:
                continue
            if isinstance(value, str):
                self._texts.setdefault(name, []).append(value)
            elif isinstance(value, list) and isinstance(found := self._values.setdefault(name, []), list):
                found.extend(value)
            elif isinstance(value, dict) and isinstance(found := self._values.setdefault(name, {}), dict):
                found.update(value)
            else:
                self._values[name] = value

    def as_json(self) -> Json:
        return self._values | {name: "".join(parts) for name, parts in self._texts.items()}


@dataclass(slots=True)
class _ToolCall:
    id: Any = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    fields: _Fields = field(default_factory=_Fields)

    def add(self, part: Json) -> str:
        """Add a part; return the arguments in it."""
        self.id = part.get("id") or self.id
        function = part["function"]
        name, arguments = function.get("name"), function.get("arguments")
        # Some servers repeat the name in each part.
        if isinstance(name, str) and name != self.name:
            self.name += name
        self.fields.add({name: value for name, value in part.items() if name not in _CALL_FIELDS})
        if not arguments:
            return ""
        added = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
        self.arguments.append(added)
        return added

    def as_json(self) -> Json:
        function = {"name": self.name, "arguments": "".join(self.arguments)}
        return self.fields.as_json() | {"id": self.id, "type": "function", "function": function}


class StreamedMessage:
    """The message of one streamed round, put together from its chunks."""

    def __init__(self) -> None:
        self.head: Json = {}
        self._content: list[str] = []
        self._fields = _Fields()
        # In the order in which they began, each with its index.
        self._tool_calls: list[tuple[int, _ToolCall]] = []
        self._current: dict[int, int] = {}
        # Positions of the calls to which the last chunk added, each with the added arguments.
        self.added_calls: list[tuple[int, str]] = []

    def add(self, chunk: Any) -> bool:
        """Add a chunk; return whether the caller should get it too.

        Raises:
            Problem: the model calls too many tools.
        """
        self.added_calls.clear()
        if not isinstance(chunk, dict):
            return True
        choice = chunks.choice(chunk)
        if not choice:
            return chunks.usage(chunk) is None
        if not self.head:
            self.head = {name: value for name, value in chunk.items() if name not in {"choices", "usage"}}
        delta = chunks.message(choice)
        self._content.append(chunks.content_text(delta.get("content")))
        self._fields.add({name: value for name, value in delta.items() if name not in _MESSAGE_FIELDS})
        parts = chunks.tool_calls(delta)
        for part in parts:
            self._add_tool_call(part)
        # Some servers finish a message with tool calls with the reason stop.
        return not parts and not (choice.get("finish_reason") and self.tool_calls)

    @property
    def tool_calls(self) -> list[Json]:
        """The tool calls, complete after the last chunk."""
        ordered = sorted(self._tool_calls, key=lambda indexed: indexed[0])
        return [call.as_json() for _, call in ordered if call.id or call.name]

    def as_json(self) -> Json:
        """Return the message as the next round sends it to the model."""
        content = "".join(self._content) or None
        return self._fields.as_json() | {"role": "assistant", "content": content, "tool_calls": self.tool_calls}

    def call(self, position: int) -> Json:
        """Return the call that began at this position."""
        return self._tool_calls[position][1].as_json()

    def _add_tool_call(self, part: Json) -> None:
        index = part.get("index")
        index = index if isinstance(index, int) else 0
        position = self._current.get(index)
        if position is None or _begins_another(self._tool_calls[position][1], part):
            position = self._current[index] = len(self._tool_calls)
            self._tool_calls.append((index, _ToolCall()))
            if len(self._tool_calls) > MAX_CALLS:
                raise Problem(502, "model_bad_response", f"The model calls more than {MAX_CALLS} tools in one message")
        self.added_calls.append((position, self._tool_calls[position][1].add(part)))


def _begins_another(call: _ToolCall, part: Json) -> bool:
    """Return whether a part begins another call. Some servers send each call whole, and all with the same index."""
    new_id = part.get("id")
    return bool(call.id and new_id and new_id != call.id and part["function"].get("name"))
