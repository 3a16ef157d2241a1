"""Expectations of the operator's own writes.

Most bugs of operators are decisions on a stale cache. So the operator records every write as an expectation, and does
not reconcile an agent again until the watch has shown that write. A deadline bounds the wait for a watch that lags.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from agent_operator.kube.objects import Key, Ref

# Seconds. A watch normally lags by milliseconds. After this time a decision on a stale cache is better than none.
EXPECTATION_TIMEOUT = 10.0
DELETED = -1


@dataclass(slots=True)
class Writes:
    """Writes to one agent and its children that the watches must still show.

    Attributes:
        running: whether a pass over the agent is running.
        dirty: whether something changed that no pass has seen.
        events: resourceVersions that the watches showed during the pass.
        written: resourceVersions that the pass wrote; DELETED for a delete.
        pending: writes that the watches have not shown yet, each with the deadline of the wait.
    """

    running: bool = False
    dirty: bool = False
    events: list[tuple[Ref, int]] = field(default_factory=list)
    written: dict[Ref, int] = field(default_factory=dict)
    pending: dict[Ref, tuple[int, float]] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return not (self.running or self.dirty or self.pending)


class Expectations:
    """The expected events of each agent.

    Attributes:
        writes: writes by agent.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.writes: defaultdict[Key, Writes] = defaultdict(Writes)

    def forget(self, key: Key) -> None:
        """Forget an agent that was deleted."""
        self.writes.pop(key, None)

    def met(self, key: Key) -> bool:
        """Report whether the watches have shown every write."""
        writes = self.writes.get(key)
        return writes is None or not writes.pending

    def begin_pass(self, key: Key) -> bool:
        """Start a pass over an agent; False while a write of the last pass is pending."""
        writes = self.writes[key]
        if self._time_left(key) > 0:
            writes.dirty = True
            return False
        writes.pending.clear()
        writes.events.clear()
        writes.written.clear()
        writes.running, writes.dirty = True, False
        return True

    def end_pass(self, key: Key) -> float | None:
        """End a pass. Returns the delay of the next pass in seconds; None if no pass is needed."""
        writes = self.writes[key]
        writes.running = False
        written = writes.written
        writes.dirty |= any(written.get(target) not in (seen, DELETED) for target, seen in writes.events)
        delay = self._time_left(key) if writes.pending else (0.0 if writes.dirty else None)
        if writes.idle:
            del self.writes[key]
        return delay

    def record(self, key: Key, target: Ref, seen: int, *, changed: bool, deleted: bool = False) -> Key | None:
        """Match an event with the expectations; return the key if the agent needs a pass now."""
        writes = self.writes.get(key)
        if writes is None:
            return key if changed else None
        pending, _ = writes.pending.get(target, (None, 0.0))
        if pending is not None and (deleted if pending == DELETED else seen >= pending or deleted):
            del writes.pending[target]
        written = writes.written.get(target)
        own = deleted if written == DELETED else written == seen
        if writes.running:
            if changed:
                writes.events.append((target, seen))
            return None
        writes.dirty |= changed and not own
        if writes.pending or not writes.dirty:
            if writes.idle:
                del self.writes[key]
            return None
        del self.writes[key]
        return key

    def _time_left(self, key: Key) -> float:
        """Return seconds until the last deadline of a pending write; 0 if no write is pending."""
        writes = self.writes.get(key)
        if writes is None or not writes.pending:
            return 0.0
        return max(0.0, max(deadline for _, deadline in writes.pending.values()) - self._clock())
