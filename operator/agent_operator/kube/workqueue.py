"""The queue of agents to be looked at: each at most once, by one worker at a time, none starved, none hammered."""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from agent_operator.kube.objects import Key


class Trigger(StrEnum):
    """Why an agent is looked at."""

    AGENT = "agent"
    """The AgentDeployment is new or was changed."""
    CHILD = "child"
    """One of its objects was changed or deleted."""
    API = "api"
    """An optional API appeared or went."""
    REFERENCE = "reference"
    """It is time to look at the Secrets and ConfigMaps that it names."""
    ROLLOUT = "rollout"
    """A step of a canary lasts, and its metrics are to be looked at."""
    RETRY = "retry"
    """The last attempt failed."""
    EXPECTATION = "expectation"
    """A watch has not shown a write yet."""
    RESYNC = "resync"
    """Nothing happened for long; look anyway."""


# Seconds by which a trigger goes behind others. It is also the longest that a newer, more urgent one can overtake it.
_HANDICAP = {Trigger.RESYNC: 30.0, Trigger.REFERENCE: 10.0, Trigger.API: 10.0}
_FIRST_RETRY = 0.5
# Seconds in which events of a failing agent are gathered.
_CALM = 1.0


@dataclass(frozen=True, slots=True)
class Item:
    """An agent to look at, why, and since when it waited (the queue's clock, seconds)."""

    key: Key
    trigger: Trigger
    since: float


class Queue:
    """A keyed queue. Only `get` waits; all else is immediate, and works with a clock that a test turns."""

    def __init__(
        self, clock: Callable[[], float], *, random_source: random.Random | None = None, longest_delay: float = 60.0
    ) -> None:
        self._clock = clock
        # Jitter is no secret: any generator does.
        self._random = random_source or random.Random()  # noqa: S311
        self._longest_delay = longest_delay
        self._ready: list[tuple[float, int, Key]] = []
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
        """Agents that wait for a worker."""
        return len(self._waiting)

    @property
    def age(self) -> float:
        """Seconds that the longest waiting agent has waited."""
        return max((self._clock() - item.since for _, item in self._waiting.values()), default=0.0)

    def add(self, key: Key, trigger: Trigger) -> None:
        """Have an agent looked at. One that keeps failing is looked at at once only when it was changed itself."""
        now = self._clock()
        if trigger is Trigger.AGENT:
            self._blocked.pop(key, None)
        if self._blocked.get(key, now) <= now:
            self._enqueue(Item(key, trigger, now))
        elif (key, trigger) not in self._timers:
            # What it waits for may just have happened; but what it does may also cause these events.
            self.add_after(key, _CALM, trigger)

    def add_after(self, key: Key, delay: float, trigger: Trigger) -> None:
        """Have an agent looked at in so many seconds. A later call for the same trigger replaces an earlier one."""
        due = self._clock() + delay
        self._timers[key, trigger] = due
        heapq.heappush(self._later, (due, next(self._sequence), key, trigger))
        self._wake.set()

    def jittered(self, seconds: float) -> float:
        """Spread a period: up to a fifth longer."""
        return seconds * (1 + self._random.random() / 5)

    def retry(self, key: Key) -> float:
        """Have a failed agent looked at again, after a delay that doubles each time. Returns the delay in seconds."""
        failed = self._failures.get(key, 0)
        self._failures[key] = failed + 1
        longest: float = _FIRST_RETRY * 2 ** min(failed, 16)
        delay = min(self._longest_delay, longest) * (0.75 + self._random.random() / 4)
        self._blocked[key] = self._clock() + delay
        self.add_after(key, delay, Trigger.RETRY)
        return delay

    def forget(self, key: Key) -> None:
        """Forget past failures: the agent is well, or gone."""
        self._failures.pop(key, None)
        self._blocked.pop(key, None)

    def done(self, key: Key) -> None:
        """End the work on an agent that `get` or `take` gave out."""
        again = self._active.pop(key)
        if again is not None:
            self._enqueue(again)

    def take(self) -> Item | None:
        """Give out the next agent, if one is due."""
        self._promote()
        while self._ready:
            rank, _, key = heapq.heappop(self._ready)
            best, item = self._waiting.get(key, (None, None))
            if item is None or best != rank:
                continue  # served already, or moved to the front
            del self._waiting[key]
            self._active[key] = None
            return item
        return None

    async def get(self) -> Item:
        """Wait for the next agent; `done` must follow."""
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

    def _promote(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            due, _, key, trigger = heapq.heappop(self._later)
            if self._timers.get((key, trigger)) == due:
                del self._timers[key, trigger]
                self._enqueue(Item(key, trigger, now))

    def _enqueue(self, item: Item) -> None:
        if item.key in self._active:
            held = self._active[item.key]
            self._active[item.key] = _merged(held, item) if held else item
            return
        rank = _rank(item)
        before, waiting = self._waiting.get(item.key, (None, None))
        merged = _merged(waiting, item) if waiting else item
        if before is not None and before <= rank:
            self._waiting[item.key] = (before, merged)
            return
        self._waiting[item.key] = (rank, merged)
        heapq.heappush(self._ready, (rank, next(self._sequence), item.key))
        self._wake.set()


def _merged(one: Item, other: Item) -> Item:
    """Merge two items of one agent. The more urgent trigger wins. EXPECTATION loses: it may cause no pass at all."""
    first, second = (one, other) if _rank(one) <= _rank(other) else (other, one)
    trigger = second.trigger if first.trigger is Trigger.EXPECTATION else first.trigger
    return Item(one.key, trigger, one.since)


def _rank(item: Item) -> float:
    """Order of service: first come first served, but for the handicap; so what waits long enough is always next."""
    return item.since + _HANDICAP.get(item.trigger, 0.0)
