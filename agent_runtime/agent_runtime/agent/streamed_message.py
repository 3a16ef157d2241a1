"""A message that a model streams in chunks."""

from dataclasses import dataclass, field
from typing import Any

from agent_runtime.errors import Problem
from agent_runtime.models.base import Json
from agent_runtime.tools.toolbox import MAX_CALLS


@dataclass(slots=True)
class _ToolCall:
    id: Any = ""
    name: list[str] = field(default_factory=list)
    # To append to one string would take quadratic time.
    arguments: list[str] = field(default_factory=list)

    def as_json(self) -> Json:
        function = {"name": "".join(self.name), "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": "function", "function": function}


class StreamedMessage:
    """The message of one streamed round, put together from its chunks."""

    def __init__(self) -> None:
        self.head: Json = {}
        self._content: list[str] = []
        self._tool_calls: dict[int, _ToolCall] = {}

    def add(self, chunk: Json) -> bool:
        """Add a chunk; return whether the caller should get it too.

        Raises:
            Problem: the model calls too many tools.
        """
        if not self.head:
            self.head = {name: value for name, value in chunk.items() if name not in {"choices", "usage"}}
        if not chunk["choices"]:
            return False
        choice = chunk["choices"][0]
        delta = choice.get("delta") or {}
        self._content.append(delta.get("content") or "")
        for part in delta.get("tool_calls") or ():
            self._add_tool_call(part)
        return not delta.get("tool_calls") and choice.get("finish_reason") != "tool_calls"

    @property
    def tool_calls(self) -> list[Json]:
        """The tool calls, complete after the last chunk."""
        return [call.as_json() for _, call in sorted(self._tool_calls.items())]

    def as_json(self) -> Json:
        """Return the message as the next round sends it to the model."""
        return {"role": "assistant", "content": "".join(self._content) or None, "tool_calls": self.tool_calls}

    def _add_tool_call(self, part: Json) -> None:
        call = self._tool_calls.setdefault(part.get("index") or 0, _ToolCall())
        if len(self._tool_calls) > MAX_CALLS:
            raise Problem(502, "model_bad_response", f"The model calls more than {MAX_CALLS} tools in one message")
        call.id = part.get("id") or call.id
        function: dict[str, Any] = part.get("function") or {}
        call.name.append(function.get("name") or "")
        call.arguments.append(function.get("arguments") or "")
