"""Sessions in the memory of the process, with a limit; the least recently used session is dropped first."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import orjson

from agent_runtime.memory.base import MAX_TURNS, Turn, decode

MAX_BYTES = 32 * 1024 * 1024
MAX_SESSIONS = 10_000
# Approximate overhead in bytes of a session and of each turn.
_SESSION_OVERHEAD, _TURN_OVERHEAD = 320, 48


@dataclass(slots=True)
class _Session:
    turns: tuple[bytes, ...]
    size: int
    expires: float


class LocalStore:
    """Keeps sessions for `ttl` seconds after their last turn, within limits of bytes and sessions."""

    def __init__(
        self,
        ttl: float,
        max_bytes: int = MAX_BYTES,
        max_sessions: int = MAX_SESSIONS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl = ttl
        self._max_bytes = max_bytes
        self._max_sessions = max_sessions
        self._clock = clock
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._bytes = 0

    async def history(self, session_id: str) -> list[Turn]:
        """Return the turns of a session; see SessionStore."""
        return decode(self.stored(session_id))

    async def append(self, session_id: str, turn: Turn) -> None:
        """Add a turn; see SessionStore."""
        # Store a copy, because the result of orjson keeps the 4 KiB buffer to which it was written.
        self.put(session_id, (*self.stored(session_id), bytes(memoryview(orjson.dumps(turn)))))

    async def delete(self, session_id: str) -> bool:
        """Delete a session; see SessionStore."""
        known = bool(self.stored(session_id))
        self._drop(session_id)
        return known

    def drop_expired(self) -> None:
        """Drop expired sessions; see SessionStore."""
        now = self._clock()
        for session_id in [session_id for session_id, session in self._sessions.items() if session.expires <= now]:
            self._drop(session_id)

    async def aclose(self) -> None:
        """Nothing to close."""

    def stored(self, session_id: str) -> tuple[bytes, ...]:
        """Return the stored turns of a session, as JSON."""
        session = self._sessions.get(session_id)
        if session is None or session.expires <= self._clock():
            self._drop(session_id)
            return ()
        self._sessions.move_to_end(session_id)
        return session.turns

    def put(self, session_id: str, turns: Iterable[bytes]) -> None:
        """Replace the turns of a session with the latest MAX_TURNS that fit into a quarter of the memory."""
        self._drop(session_id)
        kept = tuple(turns)[-MAX_TURNS:]
        while kept and (size := _size(kept)) > self._max_bytes // 4:
            kept = kept[1:]
        if kept:
            self._sessions[session_id] = _Session(kept, size, self._clock() + self._ttl)
            self._bytes += size
        while self._bytes > self._max_bytes or len(self._sessions) > self._max_sessions:
            self._drop(next(iter(self._sessions)))

    def take(self, session_id: str) -> tuple[bytes, ...]:
        """Remove a session; return its turns."""
        turns = self.stored(session_id)
        self._drop(session_id)
        return turns

    def sessions(self) -> tuple[str, ...]:
        """Return the ids of all sessions."""
        return tuple(self._sessions)

    def _drop(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        self._bytes -= session.size if session else 0


def _size(turns: tuple[bytes, ...]) -> int:
    return sum(map(len, turns)) + len(turns) * _TURN_OVERHEAD + _SESSION_OVERHEAD
