"""The order in which queued agents are processed: namespaces take turns, so that no tenant can delay another.

Within a namespace, the lowest rank is first. An item whose rank is at most the current time is urgent: a namespace with
an urgent item precedes all namespaces without one. Ranks of other items are in the future, so each becomes urgent.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator

from agent_operator.kube.objects import Key

# Rank, sequence number and key of the items of a namespace.
_Heap = list[tuple[float, int, Key]]


class _Round:
    """Namespaces that take turns, each at most once in a round."""

    def __init__(self) -> None:
        self._queue: deque[str] = deque()
        self._members: set[str] = set()

    def __contains__(self, namespace: str) -> bool:
        return namespace in self._members

    def append(self, namespace: str) -> None:
        """Add a namespace, unless it is in the round."""
        if namespace not in self._members:
            self._members.add(namespace)
            self._queue.append(namespace)

    def drain(self) -> Iterator[str]:
        """Remove and yield namespaces until there are none. More may be added meanwhile."""
        while self._queue:
            namespace = self._queue.popleft()
            self._members.remove(namespace)
            yield namespace


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
        self._heaps: dict[str, _Heap] = {}
        self._urgent, self._others = _Round(), _Round()
        self._parked: set[str] = set()
        self._aging: list[tuple[float, str]] = []
        self._sequence = itertools.count()

    def push(self, key: Key, rank: float, now: float) -> None:
        """Add an item."""
        heap = self._heaps.setdefault(key.namespace, [])
        heapq.heappush(heap, (rank, next(self._sequence), key))
        if rank > now:
            heapq.heappush(self._aging, (rank, key.namespace))
        self._join(key.namespace, now)

    def pop(self, now: float) -> Key | None:
        """Remove and return the next item; None if no namespace may start one."""
        while self._aging and self._aging[0][0] <= now:
            self._join(heapq.heappop(self._aging)[1], now)
        for turns in (self._urgent, self._others):
            for namespace in turns.drain():
                if (key := self._take(namespace, now, urgent=turns is self._urgent)) is not None:
                    return key
        return None

    def unpark(self, now: float) -> None:
        """Let parked namespaces take turns again."""
        parked, self._parked = self._parked, set()
        for namespace in parked:
            self._join(namespace, now)

    def _join(self, namespace: str, now: float) -> None:
        """Append a namespace to the round of its first item, unless it is in it. Forget a namespace without items."""
        heap = self._heaps.get(namespace)
        if heap is None or namespace in self._parked:
            return
        rank = self._first_rank(heap)
        if rank is not None:
            (self._urgent if rank <= now else self._others).append(namespace)
        elif namespace not in self._urgent and namespace not in self._others:
            del self._heaps[namespace]

    def _first_rank(self, heap: _Heap) -> float | None:
        while heap and not self._is_current(heap[0][2], heap[0][0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def _take(self, namespace: str, now: float, *, urgent: bool) -> Key | None:
        """Take the first item of a namespace whose turn it is, and give it another turn."""
        heap = self._heaps[namespace]
        rank = self._first_rank(heap)
        key = None
        if rank is not None and (rank <= now) is urgent:
            if not self._may_start(namespace):
                self._parked.add(namespace)
                return None
            key = heapq.heappop(heap)[2]
        self._join(namespace, now)
        return key
