"""A conversation, and what can be done with a store of them."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict

import orjson

from agent_runtime.memory.tokens import estimate, told
from agent_runtime.models.base import Json

# A session keeps this many turns; older ones are forgotten.
MAX_TURNS = 50
# Seconds between looks for sessions whose time has passed.
INTERVAL = 30.0


class Turn(TypedDict):
    """What the user said and what the agent answered, with all that belongs between: kept and sent whole.

    The id makes a turn that was stored twice count once. The tokens are those that sending it again costs, about.
    """

    id: str
    messages: list[Json]
    tokens: int


def turn(user: str, assistant: str, usage: Mapping[str, Any] | None = None) -> Turn:
    """A new turn; `usage` is what the model said that the answer took, if it did."""
    asked, answered = {"role": "user", "content": user}, {"role": "assistant", "content": assistant}
    tokens = estimate(asked) + told(answered, usage or {})
    return {"id": secrets.token_hex(16), "messages": [asked, answered], "tokens": tokens}


def decode(stored: Sequence[bytes]) -> list[Turn]:
    """Turns as stored, each as JSON, oldest first, without doubles. What is not a turn of ours is left out."""
    try:
        # All at once: one at a time takes as long as it takes to ask Redis for them.
        found = orjson.loads(b"[%b]" % b",".join(stored))
    except orjson.JSONDecodeError:
        found = [one for text in stored for one in _parsed(text)]
    turns: dict[str, Turn] = {}
    for one in found:
        try:
            if isinstance(one["messages"], list) and isinstance(one["tokens"], int):
                turns.setdefault(one["id"], one)
        except (KeyError, TypeError):
            continue
    return list(turns.values())


def latest(turns: Sequence[Turn], tokens: int) -> list[Json]:
    """The messages of the newest turns that have so many tokens together, oldest first."""
    kept = len(turns)
    while kept and turns[kept - 1]["tokens"] <= tokens:
        kept -= 1
        tokens -= turns[kept]["tokens"]
    return [message for one in turns[kept:] for message in one["messages"]]


def _parsed(stored: bytes) -> list[Any]:
    try:
        return [orjson.loads(stored)]
    except orjson.JSONDecodeError:
        return []


class SessionStore(Protocol):
    """Keeps the turns of each session until a time after the last one."""

    async def history(self, session_id: str) -> list[Turn]:
        """The turns of a session, oldest first; none for one that is unknown or forgotten."""
        ...

    async def append(self, session_id: str, turn: Turn) -> None:
        """Add a turn, all of it or nothing. Never fails: an agent that cannot remember can still answer."""
        ...

    async def delete(self, session_id: str) -> bool:
        """Forget a session; False when it was unknown.

        Raises:
            Problem: the store cannot be reached, so it is not forgotten.
        """
        ...

    def forget_expired(self) -> None:
        """Let go of what is kept in the process and whose time has passed."""
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...


async def watch(store: SessionStore) -> None:
    """Let go of what has expired, for ever: a session that nobody asks for again must not stay."""
    while True:
        await asyncio.sleep(INTERVAL)
        store.forget_expired()
