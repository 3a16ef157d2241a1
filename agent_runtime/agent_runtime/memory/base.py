"""The turns of a conversation, and the interface of the stores that keep them."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict

import orjson

from agent_runtime import untrusted_json
from agent_runtime.memory.tokens import answer_tokens, estimate
from agent_runtime.models.base import Json

# A session keeps this many turns; older ones are dropped.
MAX_TURNS = 50
# Bytes of JSON of a turn, and of the newest turns of a session that are read. Callers choose how long turns are, and
# the agent parses them all for the next message. A model gets at most max_history_tokens of them.
MAX_TURN_BYTES = 1024 * 1024
MAX_SESSION_BYTES = 8 * 1024 * 1024
# Characters of a message or an answer that a session keeps, and of one that consists of characters with long escapes.
MAX_TEXT_CHARS = 256 * 1024
_MAX_ESCAPED_CHARS = MAX_TEXT_CHARS // 4
# Fields of a message that is only a text.
_FIELDS = 2
# Seconds between searches for expired sessions.
INTERVAL = 30.0


class Turn(TypedDict):
    """A user's message, the agent's answer and all messages in between. A turn is stored and sent as a whole.

    The id identifies a turn that was stored twice. `tokens` estimates the tokens of the turn in a request to a model.
    """

    id: str
    messages: list[Json]
    tokens: int


def turn(user: str, assistant: str, usage: Mapping[str, Any] | None = None) -> Turn:
    """Return a new turn; `usage` is the usage that the model reported, if it did."""
    question, answer = {"role": "user", "content": _cut(user)}, {"role": "assistant", "content": _cut(assistant)}
    tokens = estimate(question) + answer_tokens(answer, usage or {})
    return {"id": secrets.token_hex(16), "messages": [question, answer], "tokens": tokens}


def _cut(text: str) -> str:
    limit = MAX_TEXT_CHARS
    if len(text) > _MAX_ESCAPED_CHARS and len(orjson.dumps(text[:limit])) > MAX_TURN_BYTES // 2 - 200:
        limit = _MAX_ESCAPED_CHARS
    return text if len(text) <= limit else f"{text[:limit]}\n[cut: {len(text)} characters]"


def encode(one: Turn) -> bytes:
    """Return the stored JSON of a turn: a copy, because the result of orjson keeps the 4 KiB buffer of its writer."""
    return bytes(memoryview(orjson.dumps(one)))


def newest(stored: Sequence[bytes]) -> Sequence[bytes]:
    """Return the newest stored turns that fit into MAX_SESSION_BYTES."""
    if sum(map(len, stored)) <= MAX_SESSION_BYTES:
        return stored
    first, size = len(stored), 0
    while first and (size := size + len(stored[first - 1])) <= MAX_SESSION_BYTES:
        first -= 1
    return stored[first:]


def decode(stored: Sequence[bytes]) -> list[Turn]:
    """Return the newest turns from their stored JSON, oldest first, without duplicates. Other values are left out."""
    stored = newest(stored)
    try:
        # Parse all turns at once. To parse them one by one would take as long as the request to Redis.
        found = untrusted_json.loads_deep(b"[%b]" % b",".join(stored))
    except untrusted_json.InvalidJsonError:
        found = [one for text in stored for one in _parsed(text)]
    turns: dict[str, Turn] = {}
    for one in found:
        try:
            if _is_turn(one):
                turns.setdefault(one["id"], one)
        except (KeyError, TypeError, AttributeError):
            continue
    return list(turns.values())


def latest(turns: Sequence[Turn], tokens: int) -> list[Json]:
    """Return the messages of the newest turns that fit into so many tokens, oldest first."""
    kept = len(turns)
    while kept and turns[kept - 1]["tokens"] <= tokens:
        kept -= 1
        tokens -= turns[kept]["tokens"]
    return [message for one in turns[kept:] for message in one["messages"]]


def _parsed(stored: bytes) -> list[Any]:
    try:
        return [untrusted_json.loads_deep(stored)]
    except untrusted_json.InvalidJsonError:
        return []


def _is_turn(value: Any) -> bool:
    if not isinstance(value["messages"], list) or not isinstance(value["tokens"], int) or value["tokens"] < 0:
        return False
    # Almost all messages have only a role and a text. A session has up to a hundred, which each request checks.
    for message in value["messages"]:
        content = message.get("content")
        if not isinstance(message["role"], str):
            return False
        if len(message) > _FIELDS or type(content) is not str:
            if not _is_content(content):
                return False
            # Raises JSONEncodeError, which is a TypeError, if the message is nested too deeply for a request.
            orjson.dumps(message)
    return True


def _is_content(content: Any) -> bool:
    """Return whether a message may have this content: text or parts, as in OpenAI's API."""
    return isinstance(content, str | None) or (
        isinstance(content, list) and all(isinstance(part["type"], str) for part in content)
    )


class SessionStore(Protocol):
    """Keeps the turns of each session until some time after the last one."""

    async def history(self, session_id: str) -> list[Turn]:
        """Return the turns of a session, oldest first; none if the session is unknown or expired."""
        ...

    async def append(self, session_id: str, turn: Turn) -> None:
        """Add a turn atomically. Never fails, because an agent that cannot store a turn can still answer."""
        ...

    async def delete(self, session_id: str) -> bool:
        """Delete a session; False if it was unknown.

        Raises:
            Problem: the store cannot be reached, so the session is not deleted.
        """
        ...

    def drop_expired(self) -> None:
        """Drop expired sessions from the memory of this process."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


async def watch(store: SessionStore) -> None:
    """Drop expired sessions periodically, because a session that no request uses again would otherwise stay."""
    while True:
        await asyncio.sleep(INTERVAL)
        store.drop_expired()
