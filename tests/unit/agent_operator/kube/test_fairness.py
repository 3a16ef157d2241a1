"""Properties of the work queue: no agent is lost, and no namespace delays another."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from agent_operator.kube.objects import Key
from agent_operator.kube.workqueue import Item, Queue, Trigger
from tests.clock import ManualClock

KEYS = st.builds(Key, st.sampled_from("abc"), st.sampled_from("12345"))
TRIGGERS = st.sampled_from(Trigger)


def new_queue(clock: ManualClock, workers: int = 8) -> Queue:
    return Queue(clock, random_source=random.Random(1), workers=workers)


def take_all(queue: Queue) -> list[Item]:
    """Take and finish every agent that is due."""
    items = []
    while item := queue.take():
        items.append(item)
        queue.done(item.key)
    return items


class AnyUse(RuleBasedStateMachine):
    """Any order of operations: no agent is lost, and one worker at a time processes an agent."""

    @initialize(workers=st.integers(1, 4))
    def start(self, workers: int) -> None:
        self.clock = ManualClock(now=1000.0)
        self.queue = new_queue(self.clock, workers)
        self.workers = workers
        self.slow: set[Key] = set()
        self.owed: set[Key] = set()
        self.active: list[Key] = []

    @rule(key=KEYS, trigger=TRIGGERS)
    def add(self, key: Key, trigger: Trigger) -> None:
        self.queue.add(key, trigger)
        self.owed.add(key)

    @rule(key=KEYS, trigger=TRIGGERS)
    def add_after(self, key: Key, trigger: Trigger) -> None:
        self.queue.add_after(key, 5.0, trigger)
        self.owed.add(key)

    @rule(key=KEYS)
    def retry(self, key: Key) -> None:
        self.queue.retry(key)
        self.owed.add(key)

    @precondition(lambda self: len(self.active) - len(self.slow) < self.workers)
    @rule()
    def take(self) -> None:
        """A worker that is free takes an agent. It gets one if a namespace without agents in progress has one."""
        busy = {key.namespace for key in self.active}
        before = {key.namespace for key in self.queue._waiting}
        item = self.queue.take()
        assert item is not None or before <= busy
        if item is not None:
            assert item.key not in self.active
            self.active.append(item.key)
            self.owed.discard(item.key)

    @precondition(lambda self: self.active)
    @rule()
    def done(self) -> None:
        key = self.active.pop(0)
        self.slow.discard(key)
        self.queue.done(key)

    @precondition(lambda self: set(self.active) - self.slow)
    @rule()
    def mark_slow(self) -> None:
        key = next(key for key in self.active if key not in self.slow)
        self.slow.add(key)
        self.queue.mark_slow(key)

    @rule(seconds=st.floats(0.0, 40.0))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def teardown(self) -> None:
        for key in self.active:
            self.queue.done(key)
        self.clock.now += 100.0
        assert self.owed <= {item.key for item in take_all(self.queue)}
        assert (self.queue.depth, self.queue.age) == (0, 0)
        assert self.queue._ready._heaps == {}
        shares = self.queue._shares
        assert (shares._running, shares._slow, shares._slow_keys) == ({}, {}, set())


TestAnyUse = AnyUse.TestCase


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 9)), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abcdef"), st.integers(10, 20)), max_size=10),
)
def test_namespaces_with_urgent_agents_take_turns(
    first: list[tuple[str, int]], arrivals: list[tuple[int, str, int]]
) -> None:
    """Between the moment an agent waits and its namespace's turn, each other namespace has at most one turn."""
    clock = ManualClock(now=1000.0)
    queue, turns = new_queue(clock), dict[str, Counter[str]]()

    def add(namespace: str, number: int) -> None:
        for index in range(number):
            queue.add(Key(namespace, f"{number}-{index}"), Trigger.CHILD)
        turns.setdefault(namespace, Counter())

    for namespace, number in first:
        add(namespace, number)
    step = 0
    while item := queue.take():
        taken = item.key.namespace
        del turns[taken]
        for others in turns.values():
            others[taken] += 1
        assert all(max(others.values(), default=0) <= 1 for others in turns.values())
        queue.done(item.key)
        if any(key.namespace == taken for key in queue._waiting):
            turns[taken] = Counter()
        clock.now += 0.02
        for _, namespace, number in (arrival for arrival in arrivals if arrival[0] == step):
            add(namespace, number)
        step += 1
    assert turns == {}


def test_one_agent_is_next_after_800_of_another_namespace() -> None:
    clock = ManualClock(now=1000.0)
    queue = new_queue(clock)
    for index in range(800):
        queue.add(Key("many", str(index)), Trigger.AGENT)
    taken = [queue.take() for _ in range(3)]
    queue.add(Key("one", "a"), Trigger.AGENT)
    taken += [queue.take(), queue.take()]
    assert Key("one", "a") in [item.key for item in taken if item]


def test_resyncs_of_one_namespace_do_not_delay_an_edit_in_another() -> None:
    clock = ManualClock(now=1000.0)
    queue = new_queue(clock)
    for namespace in "abcdefgh":
        for index in range(50):
            queue.add(Key(namespace, str(index)), Trigger.RESYNC)
    queue.add(Key("z", "edited"), Trigger.AGENT)
    item = queue.take()
    assert item is not None
    assert item.key == Key("z", "edited")


def test_edits_of_one_namespace_do_not_starve_a_resync_in_another() -> None:
    clock = ManualClock(now=1000.0)
    queue = new_queue(clock)
    queue.add(Key("b", "resynced"), Trigger.RESYNC)
    passes = 0
    while True:
        for index in range(10):
            queue.add(Key("a", str(index)), Trigger.AGENT)
        item = queue.take()
        assert item is not None
        queue.done(item.key)
        if item.key.namespace == "b":
            break
        clock.now += 1.0
        passes += 1
    assert 30 <= passes <= 31


def take_more(queue: Queue) -> list[Key]:
    """Take agents until none may start."""
    found = []
    while item := queue.take():
        found.append(item.key)
    return found


def test_one_namespace_leaves_a_worker_and_shares_the_others() -> None:
    queue = new_queue(ManualClock(now=1000.0), 8)
    for index in range(50):
        queue.add(Key("a", str(index)), Trigger.AGENT)
    first = take_more(queue)
    assert len(first) == 7
    queue.add(Key("b", "x"), Trigger.AGENT)
    assert take_more(queue) == [Key("b", "x")]
    # Both namespaces are in progress, so each has a half. `a` continues when it is below.
    for key in first[:3]:
        queue.done(key)
        assert take_more(queue) == []
    queue.done(first[3])
    assert len(take_more(queue)) == 1
    queue.done(Key("b", "x"))
    assert len(take_more(queue)) == 3


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_slow_agents_of_one_namespace_leave_half_of_the_places(workers: int) -> None:
    queue = new_queue(ManualClock(now=1000.0), workers)
    for index in range(100):
        queue.add(Key("slow", str(index)), Trigger.AGENT)
    slow: list[Key] = []
    while more := take_more(queue):
        for key in more:
            queue.mark_slow(key)
        slow += more
    places = 3 * workers
    assert places / 2 <= len(slow) <= places / 2 + workers
    for namespace in "abcdefgh":
        queue.add(Key(namespace, "x"), Trigger.AGENT)
    others = [key.namespace for key in take_more(queue)]
    assert others == list("abcdefgh")
    for key in slow:
        queue.done(key)
    assert len(take_more(queue)) >= 1


def test_all_places_can_be_taken_only_by_many_namespaces() -> None:
    queue = new_queue(ManualClock(now=1000.0), 2)
    for index in range(100):
        queue.add(Key(f"ns{index}", "a"), Trigger.AGENT)
    taken: list[Key] = []
    while item := queue.take():
        taken.append(item.key)
        queue.mark_slow(item.key)
    assert len(taken) == 15
    queue.done(taken[0])
    assert queue.take() is not None


def test_operations_are_cheap_with_many_namespaces() -> None:
    """Each operation compares a few entries, also with thousands of namespaces."""
    clock = ManualClock(now=1000.0)
    queue = new_queue(clock, 1)
    calls = Counter[str]()
    is_current = queue._ready._is_current

    def counted(key: Key, rank: float) -> bool:
        calls["compared"] += 1
        return is_current(key, rank)

    queue._ready._is_current = counted
    for index in range(5000):
        queue.add(Key(f"ns{index}", "a"), Trigger.AGENT)
    assert len(take_all(queue)) == 5000
    assert calls["compared"] <= 4 * 5000
