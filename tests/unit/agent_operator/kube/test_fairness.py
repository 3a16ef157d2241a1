"""Properties of the work queue: no agent is lost, and no namespace delays another."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from agent_operator.kube.objects import Key
from agent_operator.kube.workqueue import Item, Queue, Trigger
from tests.clock import ManualClock

KEYS = st.builds(Key, st.sampled_from("abc"), st.sampled_from("12345"))
TRIGGERS = st.sampled_from(Trigger)


def new_queue(clock: ManualClock, capacity: int = 32) -> Queue:
    return Queue(clock, random_source=random.Random(1), capacity=capacity)


def take_all(queue: Queue) -> list[Item]:
    """Take and finish every agent that is due."""
    items = []
    while item := queue.take():
        items.append(item)
        queue.done(item.key)
    return items


class AnyUse(RuleBasedStateMachine):
    """Any order of operations: no agent is lost, and one worker at a time processes an agent."""

    @initialize(capacity=st.integers(1, 5))
    def start(self, capacity: int) -> None:
        self.clock = ManualClock(now=1000.0)
        self.queue = new_queue(self.clock, capacity)
        self.capacity = capacity
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

    @rule()
    def take(self) -> None:
        if item := self.queue.take():
            assert item.key not in self.active
            self.active.append(item.key)
            self.owed.discard(item.key)
        assert len(self.active) <= self.capacity

    @precondition(lambda self: self.active)
    @rule()
    def done(self) -> None:
        self.queue.done(self.active.pop(0))

    @rule(seconds=st.floats(0.0, 40.0))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def teardown(self) -> None:
        for key in self.active:
            self.queue.done(key)
        self.clock.now += 100.0
        assert self.owed <= {item.key for item in take_all(self.queue)}
        assert (self.queue.depth, self.queue.age) == (0, 0)
        assert self.queue._ready._backlogs == {}
        assert not self.queue._active_by_namespace


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


def test_slow_passes_of_one_namespace_leave_half_of_the_capacity() -> None:
    clock = ManualClock(now=1000.0)
    queue = new_queue(clock, 12)
    for index in range(50):
        queue.add(Key("slow", str(index)), Trigger.AGENT)
    taken = []
    while item := queue.take():
        taken.append(item.key)
    assert len(taken) == 6
    for namespace in "abcdefgh":
        queue.add(Key(namespace, "x"), Trigger.AGENT)
    others = []
    while item := queue.take():
        others.append(item.key.namespace)
    assert others == list("abcdef")
    assert queue.depth == 44 + 2
    # A namespace that was at its limit continues when one of its passes ends.
    queue.done(Key("a", "x"))
    assert getattr(queue.take(), "key", None) == Key("g", "x")
    for key in taken:
        queue.done(key)
    rest = []
    while item := queue.take():
        rest.append(item.key.namespace)
    assert Counter(rest) == {"h": 1, "slow": 3}


def test_operations_are_cheap_with_many_namespaces() -> None:
    """Each operation compares a few entries, also with thousands of namespaces and all of them parked once."""
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
