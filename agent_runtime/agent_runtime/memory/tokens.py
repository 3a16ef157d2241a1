"""How many tokens messages have, about: vocabularies differ between models and are too large to carry along.

A model tells how many tokens its answer took. What users say is estimated: a token for every three bytes of UTF-8.
That is more than English takes, where a token has four, and about what Chinese takes, where a character has three.
"""

from collections.abc import Mapping
from typing import Any

import orjson

BYTES_A_TOKEN = 3
# What a message takes beside its text: its role, and where it begins and ends.
MESSAGE = 4


def estimate(message: Mapping[str, Any]) -> int:
    """The tokens of a message of which nothing is told."""
    return MESSAGE + -(-_length(message) // BYTES_A_TOKEN)


def told(answer: Mapping[str, Any], usage: Mapping[str, Any]) -> int:
    """The tokens of a model's answer, by the usage that came with it.

    Reasoning is left out, since it is not sent again. What the usage counts beyond that, such as the calls of tools
    that led to the answer, cannot make it longer than its text: no token has less than a byte.
    """
    tokens, details = usage.get("completion_tokens"), usage.get("completion_tokens_details")
    reasoning = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    if not isinstance(tokens, int):
        return estimate(answer)
    said = tokens - (reasoning if isinstance(reasoning, int) else 0)
    return MESSAGE + min(said, _length(answer)) if said > 0 else estimate(answer)


def _length(message: Mapping[str, Any]) -> int:
    """The bytes of what a message says, the calls of tools and their results too."""
    said = (value for name, value in message.items() if name != "role" and value is not None)
    return sum(len(value.encode() if isinstance(value, str) else orjson.dumps(value)) for value in said)
