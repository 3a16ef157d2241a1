"""Stored turns, and the turns that a model receives."""

from typing import Any

import orjson
import pytest

from agent_runtime.memory.base import MAX_SESSION_BYTES, MAX_TURN_BYTES, Turn, decode, latest, turn

TURN: Turn = {"id": "1", "messages": [{"role": "user", "content": "a"}], "tokens": 5}


@pytest.mark.parametrize(
    "other",
    [
        *(b"{", b"[]", b"{}", b"1", b"", b"],[", b'{"id": "2"}', b"[" * 2000, b"\xff", b"null"),
        b'{"id": [], "messages": [], "tokens": 1}',
        b'{"id": "2", "messages": [1], "tokens": 1}',
        b'{"id": "2", "messages": [{"role": 1}], "tokens": 1}',
        b'{"id": "2", "messages": [{"role": "user", "content": 1}], "tokens": 1}',
        b'{"id": "2", "messages": [{"role": "user", "content": [1]}], "tokens": 1}',
        b'{"id": "2", "messages": [], "tokens": -1}',
        b'{"id": "2", "messages": [{"role": "user", "x": %b}], "tokens": 1}' % (b"[" * 300 + b"]" * 300),
    ],
    ids=lambda stored: stored[:60].decode(errors="replace"),
)
def test_decoding_leaves_out_duplicates_and_other_values(other: bytes) -> None:
    stored = orjson.dumps(TURN)

    assert decode([stored, other, stored]) == [TURN]


def test_each_turn_has_its_own_id() -> None:
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
def test_the_newest_turns_that_fit_are_sent_whole(tokens: int, kept: int) -> None:
    """A tool's result is never sent without its call, nor an answer without its question."""
    turns: list[Turn] = [TURN, {"id": "2", "messages": WITH_TOOLS, "tokens": 30}, TURN]
    messages = [message for one in turns for message in one["messages"]]

    assert latest(turns, tokens) == (messages[-kept:] if kept else [])


def test_a_turn_that_does_not_fit_ends_the_history() -> None:
    """An older, smaller turn is not sent, because the gap would mislead the model."""
    turns: list[Turn] = [TURN, {"id": "2", "messages": WITH_TOOLS, "tokens": 1000}]

    assert latest(turns, 999) == []


@pytest.mark.parametrize("character", ["a", "\u00e9", "\U0001f600", "\x00", '"'], ids=ascii)
def test_a_turn_is_limited_in_bytes(character: str) -> None:
    """Also the message, whatever characters it has."""
    huge = character * 1_000_000
    found = turn(huge, huge)

    assert len(orjson.dumps(found)) <= MAX_TURN_BYTES
    assert all(message["content"].endswith("\n[cut: 1000000 characters]") for message in found["messages"])


def test_one_read_is_limited_in_bytes() -> None:
    """The newest turns are kept."""
    stored = [orjson.dumps(TURN | {"id": str(n), "pad": "x" * 7_000_000}) for n in range(40)]

    assert [one["id"] for one in decode(stored)] == ["39"]
    assert decode([b'"%b"' % (b"x" * MAX_SESSION_BYTES)]) == []
