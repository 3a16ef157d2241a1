"""Streams of chunks: whether they are whole, and which chunks have only the usage."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson

from agent_runtime.errors import Problem
from agent_runtime.models import chunks

# Only chunks that look like the one with only the usage are parsed. Text cannot match, because its quotes are escaped.
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')


async def whole(model: str, found: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of an answer.

    Raises:
        Problem: the answer may be incomplete.
    """
    async with aclosing(found):
        async for chunk in found:
            if chunk == chunks.TRUNCATED:
                raise Problem(502, "model_bad_response", f"{model}: the model's answer is incomplete")
            yield chunk


def has_only_usage(chunk: bytes) -> bool:
    """Return whether a chunk has a usage and no choice."""
    if not _NO_CHOICES.search(chunk):
        return False
    parsed = orjson.loads(chunk)
    return chunks.usage(parsed) is not None and not chunks.choice(parsed)
