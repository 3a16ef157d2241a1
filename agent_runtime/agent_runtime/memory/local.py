"""Sessions in the memory of the process, with limits that all callers share.

Beyond a limit, the caller that uses most loses its least recently used session. So no caller displaces the sessions of
callers that use less.
"""

import heapq
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agent_runtime.memory.base import MAX_TURNS, Turn, decode, encode

MAX_BYTES = 32 * 1024 * 1024
MAX_SESSIONS = 10_000
# Approximate overhead in bytes of a caller, of a session and of each turn.
_CALLER_OVERHEAD, _SESSION_OVERHEAD, _TURN_OVERHEAD = 800, 320, 48


@dataclass(slots=True)
class _Session:
    turns: tuple[bytes, ...]
    size: int
    expires: float


@dataclass(slots=True)
class _Caller:
    """The sessions of a caller, the least recently used first, and their bytes."""

    sessions: OrderedDict[str, _Session] = field(default_factory=OrderedDict)
    size: int = _CALLER_OVERHEAD


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
        self._callers: dict[str, _Caller] = {}
        self._bytes = 0
        self._count = 0

    async def history(self, session_id: str) -> list[Turn]:
        """Return the turns of a session; see SessionStore."""
        return decode(self.stored(session_id))

    async def append(self, session_id: str, turn: Turn) -> None:
        """Add a turn; see SessionStore."""
        self.add(session_id, encode(turn))

    async def delete(self, session_id: str) -> bool:
        """Delete a session; see SessionStore."""
        known = bool(self.stored(session_id))
        self._drop(session_id)
        return known

    def drop_expired(self) -> None:
        """Drop expired sessions; see SessionStore."""
        now = self._clock()
        sessions = [item for caller in self._callers.values() for item in caller.sessions.items()]
        for session_id in [session_id for session_id, session in sessions if session.expires <= now]:
            self._drop(session_id)

    async def aclose(self) -> None:
        """Nothing to close."""

    def stored(self, session_id: str) -> tuple[bytes, ...]:
        """Return the stored turns of a session, as JSON."""
        caller = self._callers.get(_caller_of(session_id))
        session = caller.sessions.get(session_id) if caller else None
        if caller is None or session is None:
            return ()
        if session.expires <= self._clock():
            self._drop(session_id)
            return ()
        caller.sessions.move_to_end(session_id)
        return session.turns

    def put(self, session_id: str, turns: Iterable[bytes]) -> None:
        """Replace the turns of a session with the latest MAX_TURNS that fit into a quarter of the memory."""
        self._drop(session_id)
        kept = tuple(turns)[-MAX_TURNS:]
        while kept and (size := _size(kept)) > self._max_bytes // 4:
            kept = kept[1:]
        if kept:
            self._add(session_id, _Session(kept, size, self._clock() + self._ttl))
            self._evict(lambda: self._bytes > self._max_bytes, lambda caller: caller.size)
            self._evict(lambda: self._count > self._max_sessions, lambda caller: len(caller.sessions))

    def add(self, session_id: str, *turns: bytes) -> None:
        """Add turns to a session, as JSON."""
        self.put(session_id, (*self.stored(session_id), *turns))

    def take(self, session_id: str) -> tuple[bytes, ...]:
        """Remove a session; return its turns."""
        turns = self.stored(session_id)
        self._drop(session_id)
        return turns

    def sessions(self) -> tuple[str, ...]:
        """Return the ids of all sessions."""
        return tuple(session_id for caller in self._callers.values() for session_id in caller.sessions)

    def _add(self, session_id: str, session: _Session) -> None:
        name = _caller_of(session_id)
        caller = self._callers.pop(name, None)
        if caller is None:
            caller = _Caller()
            self._bytes += caller.size
        # At the end, as the most recently used.
        self._callers[name] = caller
        caller.sessions[session_id] = session
        caller.size += session.size
        self._bytes += session.size
        self._count += 1

    def _drop(self, session_id: str) -> None:
        name = _caller_of(session_id)
        caller = self._callers.get(name)
        session = caller.sessions.pop(session_id, None) if caller else None
        if caller is None or session is None:
            return
        caller.size -= session.size
        self._bytes -= session.size
        self._count -= 1
        if not caller.sessions:
            self._bytes -= caller.size
            del self._callers[name]

    def _evict(self, is_full: Callable[[], bool], used: Callable[[_Caller], int]) -> None:
        """While the store is full, drop the least recently used session of the caller that uses most.

        Of callers that use the same, it is the one that is least recently used.
        """
        if not is_full():
            return
        callers = [(-used(caller), age, name) for age, (name, caller) in enumerate(self._callers.items())]
        heapq.heapify(callers)
        while is_full():
            _, age, name = callers[0]
            self._drop(next(iter(self._callers[name].sessions)))
            left = self._callers.get(name)
            heapq.heapreplace(callers, (-used(left) if left else 0, age, name))


def _caller_of(session_id: str) -> str:
    """Return the caller in the key of a session. Callers without a name share the name ""."""
    return session_id.rpartition(":")[0]


def _size(turns: tuple[bytes, ...]) -> int:
    return sum(map(len, turns)) + len(turns) * _TURN_OVERHEAD + _SESSION_OVERHEAD
