"""The order in which queued agents are processed: namespaces take turns, so that no tenant can delay another.

Within a namespace, the lowest rank is first. An item whose rank is at most the current time is urgent: a namespace with
an urgent item precedes all namespaces without one. Ranks of other items are in the future, so each becomes urgent.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from agent_operator.kube.objects import Key


@dataclass(slots=True)
class _Backlog:
    """The items of a namespace, and whether it is in the rounds of urgent and of other items."""

    heap: list[tuple[float, int, Key]] = field(default_factory=list)
    in_urgent: bool = False
    in_others: bool = False


class FairOrder:
    """Items of many namespaces. `push` and `pop` take O(log n) amortized."""

    def __init__(self, is_current: Callable[[Key, float], bool], may_start: Callable[[str], bool]) -> None:
        """Create an empty order.

        Args:
            is_current: returns False for a key and rank to skip, because the key was taken or pushed again.
            may_start: returns whether another item of a namespace may be taken now. If not, the namespace is parked
                until `unpark`.
        """
        self._is_current = is_current
        self._may_start = may_start
        self._backlogs: dict[str, _Backlog] = {}
        self._urgent: deque[str] = deque()
        self._others: deque[str] = deque()
        self._parked: set[str] = set()
        self._aging: list[tuple[float, str]] = []
        self._sequence = itertools.count()

    def push(self, key: Key, rank: float, now: float) -> None:
        """Add an item."""
        backlog = self._backlogs.setdefault(key.namespace, _Backlog())
        heapq.heappush(backlog.heap, (rank, next(self._sequence), key))
        if rank > now:
            heapq.heappush(self._aging, (rank, key.namespace))
        self._join(key.namespace, now)

    def pop(self, now: float) -> Key | None:
        """Remove and return the next item; None if no namespace may start one."""
        while self._aging and self._aging[0][0] <= now:
            self._join(heapq.heappop(self._aging)[1], now)
        return self._next_urgent(now) or self._next_other(now)

    def unpark(self, now: float) -> None:
        """Let parked namespaces take turns again."""
        parked, self._parked = self._parked, set()
        for namespace in parked:
            self._join(namespace, now)

    def _join(self, namespace: str, now: float) -> None:
        """Append a namespace to the round of its first item, unless it is in it. Forget a namespace without items."""
        backlog = self._backlogs.get(namespace)
        if backlog is None or namespace in self._parked:
            return
        rank = self._first_rank(backlog)
        if rank is None:
            if not backlog.in_urgent and not backlog.in_others:
                del self._backlogs[namespace]
        elif rank <= now and not backlog.in_urgent:
            backlog.in_urgent = True
            self._urgent.append(namespace)
        elif rank > now and not backlog.in_others:
            backlog.in_others = True
            self._others.append(namespace)

    def _first_rank(self, backlog: _Backlog) -> float | None:
        heap = backlog.heap
        while heap and not self._is_current(heap[0][2], heap[0][0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def _next_urgent(self, now: float) -> Key | None:
        while self._urgent:
            namespace = self._urgent.popleft()
            self._backlogs[namespace].in_urgent = False
            if (key := self._take(namespace, now, urgent=True)) is not None:
                return key
        return None

    def _next_other(self, now: float) -> Key | None:
        while self._others:
            namespace = self._others.popleft()
            self._backlogs[namespace].in_others = False
            if (key := self._take(namespace, now, urgent=False)) is not None:
                return key
        return None

    def _take(self, namespace: str, now: float, *, urgent: bool) -> Key | None:
        """Take the first item of a namespace whose turn it is, and give it another turn."""
        backlog = self._backlogs[namespace]
        rank = self._first_rank(backlog)
        key = None
        if rank is not None and (rank <= now) is urgent:
            if not self._may_start(namespace):
                self._parked.add(namespace)
                return None
            key = heapq.heappop(backlog.heap)[2]
        self._join(namespace, now)
        return key
