"""The parsed turns of the sessions that this pod continued last.

Each message needs all turns of its session. To read and parse fifty of them takes longer than the request to the model.
Redis keeps turns in the order in which they were added, so a session whose last turns are known has not changed.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent_runtime.memory.base import MAX_TURNS, Turn

# Bytes of JSON. Parsed turns take about ten times as much memory.
MAX_BYTES = 1024 * 1024
# One session may have a part of it.
_MAX_SESSION_BYTES = MAX_BYTES // 8


@dataclass(slots=True)
class _Session:
    """The turns of a session, its last ones as they are stored, and its size in bytes.

    `added` is the number of turns that this pod added since it has seen the session in Redis. `moves` is true if
    another pod added turns: then it is likely to do so again.
    """

    expires: float

    turns: list[Turn]
    last: tuple[bytes, ...]
    size: int
    added: int = 0
    moves: bool = False


class ParsedSessions:
    """Keeps the turns of sessions; beyond MAX_BYTES, the least recently used session is dropped."""

    # Turns that are compared. If another pod adds a turn just before this pod adds one, the last but one differs.
    COMPARED = 2

    def __init__(self, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl
        self._clock = clock
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._bytes = 0

    def last(self, session_id: str) -> tuple[bytes, ...]:
        """Return the last turns that Redis has unless a session changed; () if all turns are to be read."""
        session = self._sessions.get(session_id)
        return session.last if session and not session.moves and session.added < self.COMPARED else ()

    def unchanged(self, session_id: str, last: tuple[bytes, ...]) -> list[Turn] | None:
        """Return the turns of a session whose last turns in Redis are these; None if it was forgotten or continued."""
        session = self._sessions.get(session_id)
        if session is None or session.last != last:
            return None
        self._sessions.move_to_end(session_id)
        session.added, session.expires = 0, self._clock() + self._ttl
        return list(session.turns)

    def keep(self, session_id: str, stored: Sequence[bytes], turns: Sequence[Turn]) -> None:
        """Keep all turns of a session that was read."""
        before = self._sessions.get(session_id)
        moves = before is not None and before.last != tuple(stored[-self.COMPARED :])
        self.forget(session_id)
        size = sum(map(len, stored))
        if not stored or size > _MAX_SESSION_BYTES:
            return
        last, expires = tuple(stored[-self.COMPARED :]), self._clock() + self._ttl
        self._sessions[session_id] = _Session(expires, list(turns), last, size, moves=moves)
        self._bytes += size
        self._evict()

    def add(self, session_id: str, stored: bytes, turn: Turn) -> None:
        """Add a turn that Redis has acknowledged."""
        session = self._sessions.get(session_id)
        if session is None:
            return
        session.turns = [*session.turns, turn][-MAX_TURNS:]
        session.last = (*session.last, stored)[-self.COMPARED :]
        session.size += len(stored)
        self._bytes += len(stored)
        session.added += 1
        self._sessions.move_to_end(session_id)
        # The size counts turns that are too old by now, too, so a long conversation is read again from time to time.
        if session.size > 2 * _MAX_SESSION_BYTES:
            self.forget(session_id)
        self._evict()

    def forget(self, session_id: str) -> None:
        """Forget a session."""
        if (session := self._sessions.pop(session_id, None)) is not None:
            self._bytes -= session.size

    def _evict(self) -> None:
        while self._bytes > MAX_BYTES:
            self.forget(next(iter(self._sessions)))

    def drop_expired(self) -> None:
        """Forget the sessions that Redis has deleted by now."""
        now = self._clock()
        for session_id in [one for one, session in self._sessions.items() if session.expires <= now]:
            self.forget(session_id)
