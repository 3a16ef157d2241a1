"""Turns as stores keep them, and those that a model is sent."""

from typing import Any

import orjson
import pytest

from agent_runtime.memory.base import Turn, decode, latest, turn

SAID: Turn = {"id": "1", "messages": [{"role": "user", "content": "a"}], "tokens": 5}


@pytest.mark.parametrize(
    "stranger", [b"{", b"[]", b"{}", b"1", b"", b"],[", b'{"id": [], "messages": [], "tokens": 1}', b'{"id": "2"}']
)
def test_decoding_leaves_out_doubles_and_strangers(stranger: bytes) -> None:
    """A turn that was written twice counts once; what is none of ours does not break the session."""
    stored = orjson.dumps(SAID)

    assert decode([stored, stranger, stored]) == [SAID]


def test_a_turn_is_kept_as_it_is() -> None:
    """With an id of its own."""
    one, other = turn("a", "b"), turn("a", "b")

    assert decode([orjson.dumps(one), orjson.dumps(other)]) == [one, other]


CALL = {"id": "c", "type": "function", "function": {"name": "now", "arguments": "{}"}}
WITH_TOOLS: list[dict[str, Any]] = [
    {"role": "user", "content": "What time is it?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c", "content": "noon"},
    {"role": "assistant", "content": "It is noon."},
]


@pytest.mark.parametrize(("tokens", "kept"), [(0, 0), (4, 0), (5, 1), (34, 1), (35, 5), (39, 5), (40, 6), (1000, 6)])
def test_turns_are_sent_whole(tokens: int, kept: int) -> None:
    """The newest that fit together: a tool's result never goes without its call, nor an answer without its question."""
    turns: list[Turn] = [SAID, {"id": "2", "messages": WITH_TOOLS, "tokens": 30}, SAID]
    messages = [message for one in turns for message in one["messages"]]

    assert latest(turns, tokens) == (messages[-kept:] if kept else [])


def test_a_turn_that_does_not_fit_ends_the_history() -> None:
    """A smaller one before it is not sent: a gap would mislead the model."""
    turns: list[Turn] = [SAID, {"id": "2", "messages": WITH_TOOLS, "tokens": 1000}]

    assert latest(turns, 999) == []
