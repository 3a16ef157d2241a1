"""Messages that a model streams in hostile chunks."""

from typing import Any

import pytest

from agent_runtime.agent.streamed_message import StreamedMessage
from agent_runtime.errors import Problem


def chunk(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"tool_calls": list(calls)}}]}


def test_calls_are_ordered_by_their_index() -> None:
    """An index may be any number. A missing one is 0."""
    message = StreamedMessage()

    message.add(chunk({"index": 10**9, "id": "b", "function": {"name": "g", "arguments": "{}"}}))
    message.add(chunk({"index": None, "id": "a", "function": {"name": "f"}}))
    message.add(chunk({"function": {"arguments": "{"}}, {"function": {"arguments": "}"}}))

    functions = [(call["id"], call["function"]) for call in message.tool_calls]
    assert functions == [("a", {"name": "f", "arguments": "{}"}), ("b", {"name": "g", "arguments": "{}"})]


def test_too_many_calls_are_a_problem() -> None:
    message = StreamedMessage()

    with pytest.raises(Problem, match="more than 128 tools"):
        message.add(chunk(*({"index": index} for index in range(1000))))
