"""Estimates of the tokens of messages. Vocabularies differ between models and are too large to ship.

A model reports how many tokens its answer took. For users' messages the estimate is one token per three bytes of UTF-8.
That is high for English, which has about four bytes per token, and right for Chinese, with three bytes per character.
"""

from collections.abc import Mapping
from typing import Any

import orjson

BYTES_PER_TOKEN = 3
# Tokens of a message beyond its text: its role, its beginning and its end.
PER_MESSAGE = 4


def estimate(message: Mapping[str, Any]) -> int:
    """Return the tokens of a message without reported usage."""
    return PER_MESSAGE + -(-_length(message) // BYTES_PER_TOKEN)


def answer_tokens(answer: Mapping[str, Any], usage: Mapping[str, Any]) -> int:
    """Return the tokens of a model's answer, from the usage that the model reported.

    Reasoning is not counted, because it is not sent with later requests. The usage may also cover earlier tool calls
    of the same request, so the result is limited to one token per byte of the answer.
    """
    tokens, details = usage.get("completion_tokens"), usage.get("completion_tokens_details")
    reasoning = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    if not isinstance(tokens, int):
        return estimate(answer)
    visible = tokens - (reasoning if isinstance(reasoning, int) else 0)
    return PER_MESSAGE + min(visible, _length(answer)) if visible > 0 else estimate(answer)


def _length(message: Mapping[str, Any]) -> int:
    """Return the bytes of a message's content, including tool calls and their results."""
    values = (value for name, value in message.items() if name != "role" and value is not None)
    return sum(len(value.encode() if isinstance(value, str) else orjson.dumps(value)) for value in values)
