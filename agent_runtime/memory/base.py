"""A conversation, and what can be done with a store of them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

# A session keeps this many turns; older ones are forgotten.
MAX_TURNS = 50


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user said and what the agent answered. The id makes a turn that was stored twice count once."""

    id: str
    messages: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, user: str, assistant: str) -> "Turn":
        """A new turn."""
        said = ({"role": "user", "content": user}, {"role": "assistant", "content": assistant})
        return cls(uuid.uuid4().hex, said)

    def to_bytes(self) -> bytes:
        """As stores keep it."""
        return orjson.dumps({"id": self.id, "messages": self.messages})


def decode(stored: Sequence[bytes]) -> list[Turn]:
    """Turns as stored, oldest first, without doubles. What is not a turn of ours is left out."""
    turns: dict[str, Turn] = {}
    for one in stored:
        try:
            fields = orjson.loads(one)
            turns.setdefault(fields["id"], Turn(fields["id"], tuple(fields["messages"])))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            continue
    return list(turns.values())


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

    async def aclose(self) -> None:
        """Let go of connections."""
        ...
