"""The work queue of agents. Like that of client-go it deduplicates keys, and one worker at a time processes a key.

It adds priorities by trigger, delays, back-off and fairness between namespaces. No agent starves, and a failing agent
is not retried in a loop.
"""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from agent_operator.kube.fair_order import FairOrder
from agent_operator.kube.namespace_shares import NamespaceShares
from agent_operator.kube.objects import Key


class Trigger(StrEnum):
    """Why an agent is queued. Also the label `trigger` of agent_operator_reconcile_total."""

    AGENT = "agent"
    """The AgentDeployment is new or its spec changed."""
    CHILD = "child"
    """A child changed or was deleted."""
    API = "api"
    """The cluster started or stopped serving an optional API, or a channel changed."""
    REFERENCE = "reference"
    """Poll the referenced Secrets and ConfigMaps."""
    ROLLOUT = "rollout"
    """Evaluate the metrics of a canary step."""
    HEALTH = "health"
    """The pods report another health than before, or their Events say why they do not start."""
    RETRY = "retry"
    """Retry after a failed pass."""
    EXPECTATION = "expectation"
    """A watch has not shown a write yet."""
    RESYNC = "resync"
    """Periodic resync."""


# Seconds by which items of a trigger rank later. A more urgent item can overtake them only within this time.
_PENALTY = {Trigger.RESYNC: 30.0, Trigger.REFERENCE: 10.0, Trigger.API: 10.0}
_FIRST_RETRY = 0.5
# Seconds by which an event of a failing agent is delayed, to coalesce events.
_COALESCE = 1.0


@dataclass(frozen=True, slots=True)
class Item:
    """A queued agent, the trigger, and the time when it was added (clock of the queue, seconds)."""

    key: Key
    trigger: Trigger
    since: float


class Queue:
    """A keyed priority queue. Only `get` waits. Tests control the clock."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        random_source: random.Random | None = None,
        longest_delay: float = 60.0,
        workers: int = 8,
    ) -> None:
        """Create an empty queue.

        Args:
            clock: monotonic, in seconds.
            random_source: for jitter.
            longest_delay: the limit of the back-off in seconds.
            workers: how many agents are processed at a time, without those that are marked as slow.
        """
        self._clock = clock
        # Jitter needs no cryptographic generator.
        self._random = random_source or random.Random()  # noqa: S311
        self._longest_delay = longest_delay
        self._shares = NamespaceShares(workers)
        self._ready = FairOrder(self._is_current, self._shares.may_start)
        self._waiting: dict[Key, tuple[float, Item]] = {}
        self._later: list[tuple[float, int, Key, Trigger]] = []
        self._timers: dict[tuple[Key, Trigger], float] = {}
        self._active: dict[Key, Item | None] = {}
        self._failures: dict[Key, int] = {}
        self._blocked: dict[Key, float] = {}
        self._sequence = itertools.count()
        self._wake = asyncio.Event()

    @property
    def depth(self) -> int:
        """Number of agents that wait for a worker."""
        return len(self._waiting)

    @property
    def age(self) -> float:
        """Seconds since the longest waiting agent was added; 0 for an empty queue."""
        return max((self._clock() - item.since for _, item in self._waiting.values()), default=0.0)

    def add(self, key: Key, trigger: Trigger) -> None:
        """Queue an agent. A failing agent is delayed, except for a change of the AgentDeployment itself."""
        now = self._clock()
        if trigger is Trigger.AGENT:
            self._blocked.pop(key, None)
        if self._blocked.get(key, now) <= now:
            self._enqueue(Item(key, trigger, now))
        elif (key, trigger) not in self._timers:
            # The event may resolve the failure. But the failing pass may also have caused it.
            self.add_after(key, _COALESCE, trigger)

    def add_after(self, key: Key, delay: float, trigger: Trigger) -> None:
        """Queue an agent after a delay in seconds. A later call for the same trigger replaces an earlier one."""
        due = self._clock() + delay
        self._timers[key, trigger] = due
        heapq.heappush(self._later, (due, next(self._sequence), key, trigger))
        self._wake.set()

    def jittered(self, seconds: float) -> float:
        """Return a period with jitter: up to a fifth longer."""
        return seconds * (1 + self._random.random() / 5)

    def retry(self, key: Key) -> float:
        """Queue a failed agent with exponential back-off. Returns the delay in seconds."""
        failed = self._failures.get(key, 0)
        self._failures[key] = failed + 1
        longest: float = _FIRST_RETRY * 2 ** min(failed, 16)
        delay = min(self._longest_delay, longest) * (0.75 + self._random.random() / 4)
        self._blocked[key] = self._clock() + delay
        self.add_after(key, delay, Trigger.RETRY)
        return delay

    def forget(self, key: Key) -> None:
        """Reset the back-off of an agent that succeeded or was deleted."""
        self._failures.pop(key, None)
        self._blocked.pop(key, None)

    def done(self, key: Key) -> None:
        """Mark an agent from `get` or `take` as processed."""
        queued = self._active.pop(key)
        self._shares.end(key)
        if queued is not None:
            self._enqueue(queued)
        self._resume()

    def mark_slow(self, key: Key) -> None:
        """Count an agent that takes long as one that waits, so that another can be processed instead."""
        self._shares.mark_slow(key)
        self._resume()

    def take(self) -> Item | None:
        """Return the next agent without waiting; None if no agent is due."""
        self._promote()
        key = None if self._shares.is_full else self._ready.pop(self._clock())
        if key is None:
            return None
        _, item = self._waiting.pop(key)
        self._active[key] = None
        self._shares.start(key)
        return item

    def _is_current(self, key: Key, rank: float) -> bool:
        """Return False for an item that was taken or moved to the front."""
        return key in self._waiting and self._waiting[key][0] == rank

    async def get(self) -> Item:
        """Wait for the next agent. The caller must call `done` afterwards."""
        while (item := self.take()) is None:
            self._wake.clear()
            delay: float | None = self._later[0][0] - self._clock() if self._later else None
            try:
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            except TimeoutError:
                continue
        if self._waiting:
            self._wake.set()
        return item

    def _resume(self) -> None:
        """Let namespaces continue that had their share, because the shares have changed."""
        self._ready.unpark(self._clock())
        if self._waiting:
            self._wake.set()

    def _promote(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            due, _, key, trigger = heapq.heappop(self._later)
            if self._timers.get((key, trigger)) == due:
                del self._timers[key, trigger]
                self._enqueue(Item(key, trigger, now))

    def _enqueue(self, item: Item) -> None:
        if item.key in self._active:
            queued = self._active[item.key]
            self._active[item.key] = _merged(queued, item) if queued else item
            return
        rank = _rank(item)
        before, waiting = self._waiting.get(item.key, (None, None))
        merged = _merged(waiting, item) if waiting else item
        if before is not None and before <= rank:
            self._waiting[item.key] = (before, merged)
            return
        self._waiting[item.key] = (rank, merged)
        self._ready.push(item.key, rank, self._clock())
        self._wake.set()


def _merged(one: Item, other: Item) -> Item:
    """Merge two items of one agent. Keep the more urgent trigger, but never EXPECTATION.

    The worker skips an item with EXPECTATION when the watches have shown all writes.
    """
    first, second = (one, other) if _rank(one) <= _rank(other) else (other, one)
    trigger = second.trigger if first.trigger is Trigger.EXPECTATION else first.trigger
    return Item(one.key, trigger, one.since)


def _rank(item: Item) -> float:
    """Return the sort key in a namespace: first in, first out, plus the penalty. So no item waits forever."""
    return item.since + _PENALTY.get(item.trigger, 0.0)
