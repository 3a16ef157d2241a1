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


def test_fields_that_the_model_needs_back_are_kept() -> None:
    """Thought signatures and reasoning, also of tool calls. Texts and lists are joined, and null is left out."""
    message = StreamedMessage()
    signature = {"google": {"thought_signature": "s"}}
    first = {"role": "assistant", "content": "a", "reasoning_content": "one ", "refusal": None}
    message.add({"choices": [{"delta": first | {"reasoning_details": [{"text": "x"}]}}]})
    message.add({"choices": [{"delta": {"reasoning_content": "two", "reasoning_details": [{"text": "y"}]}}]})
    message.add(chunk({"index": 0, "id": "1", "extra_content": signature, "function": {"name": "f"}}))
    message.add(chunk({"index": 0, "function": {"name": "f", "arguments": "{}"}}))

    function = {"name": "f", "arguments": "{}"}
    assert message.as_json() == {
        "role": "assistant",
        "content": "a",
        "reasoning_content": "one two",
        "reasoning_details": [{"text": "x"}, {"text": "y"}],
        "tool_calls": [{"id": "1", "type": "function", "function": function, "extra_content": signature}],
    }


def test_whole_calls_with_the_same_index_stay_apart() -> None:
    """Some servers send each call in one part, without an index of its own."""
    message = StreamedMessage()
    for number in ("1", "2"):
        message.add(chunk({"index": 0, "id": number, "function": {"name": "f", "arguments": number}}))

    assert [(call["id"], call["function"]["arguments"]) for call in message.tool_calls] == [("1", "1"), ("2", "2")]


@pytest.mark.parametrize(
    ("part", "forwarded"),
    [
        ({"choices": [{"delta": {"content": "x"}}]}, True),
        ({"choices": [{"delta": None}]}, True),
        ({"choices": None}, True),
        ({"type": "ping"}, True),
        (5, True),
        ({"choices": [], "usage": {"total_tokens": 1}}, False),
        (chunk({"index": 0, "function": {"name": "f"}}), False),
    ],
)
def test_callers_get_all_but_calls_and_usage(part: Any, forwarded: bool) -> None:
    assert StreamedMessage().add(part) == forwarded


@pytest.mark.parametrize("reason", ["stop", "tool_calls"])
def test_callers_do_not_get_the_end_of_a_round_with_calls(reason: str) -> None:
    message = StreamedMessage()
    message.add(chunk({"index": 0, "id": "1", "function": {"name": "f"}}))

    assert not message.add({"choices": [{"delta": {}, "finish_reason": reason}]})


def test_other_choices_do_not_mix_with_the_first() -> None:
    message = StreamedMessage()
    for index in (0, 1):
        message.add({"choices": [{"index": index, "delta": {"content": str(index)}}]})

    assert message.as_json()["content"] == "0"
