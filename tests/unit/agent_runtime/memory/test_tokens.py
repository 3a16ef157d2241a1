"""Tokens of messages, told or estimated."""

from typing import Any

import pytest

from agent_runtime.memory.tokens import MESSAGE, estimate, told

# Counted with o200k_base, the vocabulary of current OpenAI models.
COUNTED = [
    ("The quick brown fox jumps over the lazy dog.", 10),
    ("def main() -> None:\n    print('hello')\n", 10),
    ("今天天气很好,我们去公园散步吧。", 12),
    ("Ich möchte bitte wissen, wie das Wetter morgen wird.", 12),
]


@pytest.mark.parametrize(("text", "tokens"), COUNTED)
def test_an_estimate_is_on_the_safe_side(text: str, tokens: int) -> None:
    """Not less than what a vocabulary would count, and not twice as much."""
    assert tokens <= estimate({"role": "user", "content": text}) - MESSAGE < 2 * tokens


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"completion_tokens": 7}, 7),
        ({"completion_tokens": 507, "completion_tokens_details": {"reasoning_tokens": 500}}, 7),
        ({"completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": None}}, 7),
        ({"completion_tokens": 7, "completion_tokens_details": None}, 7),
        # Rounds of tool calls are in it: a text has no more tokens than bytes.
        ({"completion_tokens": 9000}, 30),
        # What cannot be is not believed.
        ({"completion_tokens": 0}, 10),
        ({"completion_tokens": -5}, 10),
        ({"completion_tokens": "7"}, 10),
        ({}, 10),
    ],
)
def test_an_answer_has_the_tokens_that_the_model_tells(usage: dict[str, Any], tokens: int) -> None:
    """Without its reasoning; estimated where nothing usable is told."""
    assert told({"role": "assistant", "content": "x" * 30}, usage) - MESSAGE == tokens


def test_whatever_a_message_holds_counts() -> None:
    """The calls of tools, and the parts of a content that is no text."""
    call = {"id": "c", "type": "function", "function": {"name": "now", "arguments": "x" * 300}}

    assert estimate({"role": "assistant", "content": None, "tool_calls": [call]}) > 100
    assert estimate({"role": "user", "content": [{"type": "text", "text": "x" * 300}]}) > 100
    assert estimate({"role": "assistant", "content": None}) == MESSAGE
