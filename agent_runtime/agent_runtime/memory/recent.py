"""The turns that Redis acknowledged in the last seconds. A failover may lose them, as replication is asynchronous."""

from collections.abc import Collection, Sequence

from agent_runtime.memory.local import LocalStore

# Seconds for which a turn may be missing on the next primary.
UNREPLICATED = 30.0
MAX_BYTES = 8 * 1024 * 1024


class RecentTurns:
    """Keeps turns until they are replicated for sure.

    Attributes:
        unverified: sessions whose turns a new primary may not have.
    """

    def __init__(self) -> None:
        self._turns = LocalStore(UNREPLICATED, MAX_BYTES)
        self.unverified: set[str] = set()
        self._failovers = 0

    def add(self, session_id: str, turns: Sequence[bytes]) -> None:
        """Add turns that Redis has acknowledged."""
        self._turns.add(session_id, *turns)

    def doubt(self) -> None:
        """Regard all turns as missing until it is checked."""
        self.unverified.update(self._turns.sessions())

    def note_failovers(self, number: int) -> None:
        """Regard all turns as missing if another server may have become the primary since the last call."""
        if number != self._failovers:
            self._failovers = number
            self.doubt()

    def missing(self, session_id: str, known: Collection[bytes]) -> list[bytes]:
        """Return the turns of a session that are not among the known ones."""
        turns = self._turns.stored(session_id)
        if not turns:
            return []
        known = set(known)
        return [turn for turn in turns if turn not in known]

    def forget(self, session_id: str) -> None:
        """Forget a session that was deleted."""
        self._turns.take(session_id)
        self.unverified.discard(session_id)

    def drop_expired(self) -> None:
        """Drop turns that are replicated by now."""
        self._turns.drop_expired()
