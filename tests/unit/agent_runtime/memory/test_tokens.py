"""Tokens of messages, reported or estimated."""

from typing import Any

import pytest

from agent_runtime.memory.tokens import PER_MESSAGE, answer_tokens, estimate

# Counted with o200k_base, the vocabulary of current OpenAI models.
COUNTED = [
    ("The quick brown fox jumps over the lazy dog.", 10),
    ("def main() -> None:\n    print('hello')\n", 10),
    ("今天天气很好,我们去公园散步吧。", 12),
    ("Ich möchte bitte wissen, wie das Wetter morgen wird.", 12),
]


@pytest.mark.parametrize(("text", "tokens"), COUNTED)
def test_an_estimate_is_at_least_the_real_count_and_less_than_twice(text: str, tokens: int) -> None:
    assert tokens <= estimate({"role": "user", "content": text}) - PER_MESSAGE < 2 * tokens


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"completion_tokens": 7}, 7),
        ({"completion_tokens": 507, "completion_tokens_details": {"reasoning_tokens": 500}}, 7),
        ({"completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": None}}, 7),
        ({"completion_tokens": 7, "completion_tokens_details": None}, 7),
        # Includes rounds of tool calls: a text has at most one token per byte.
        ({"completion_tokens": 9000}, 30),
        # Impossible values: estimated.
        ({"completion_tokens": 0}, 10),
        ({"completion_tokens": -5}, 10),
        ({"completion_tokens": "7"}, 10),
        ({}, 10),
    ],
)
def test_an_answer_has_the_reported_tokens_without_reasoning(usage: dict[str, Any], tokens: int) -> None:
    assert answer_tokens({"role": "assistant", "content": "x" * 30}, usage) - PER_MESSAGE == tokens


def test_tool_calls_and_content_parts_count() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "now", "arguments": "x" * 300}}

    assert estimate({"role": "assistant", "content": None, "tool_calls": [call]}) > 100
    assert estimate({"role": "user", "content": [{"type": "text", "text": "x" * 300}]}) > 100
    assert estimate({"role": "assistant", "content": None}) == PER_MESSAGE
