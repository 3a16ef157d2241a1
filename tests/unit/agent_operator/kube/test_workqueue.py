"""The work queue with a clock that the test controls."""

import asyncio
import random
from itertools import pairwise

import pytest

from agent_operator.kube.objects import Key
from agent_operator.kube.workqueue import Queue, Trigger
from tests.clock import ManualClock
from tests.patience import DEADLINE

A, B, C = (Key("ns", name) for name in "abc")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now=1000.0)


@pytest.fixture
def queue(clock: ManualClock) -> Queue:
    return Queue(clock, random_source=random.Random(1))


def drain(queue: Queue) -> list[Key]:
    keys = []
    while item := queue.take():
        keys.append(item.key)
        queue.done(item.key)
    return keys


def test_agent_is_queued_once(queue: Queue) -> None:
    for key in (A, B, A, A):
        queue.add(key, Trigger.CHILD)
    assert queue.depth == 2
    assert drain(queue) == [A, B]


def test_agent_is_processed_by_one_worker_at_a_time(queue: Queue) -> None:
    queue.add(A, Trigger.AGENT)
    item = queue.take()
    assert item is not None
    queue.add(A, Trigger.CHILD)
    queue.add(A, Trigger.RESYNC)
    assert queue.take() is None
    queue.done(A)
    second = queue.take()
    assert second is not None
    assert (second.key, second.trigger) == (A, Trigger.CHILD)


@pytest.mark.parametrize("active", [True, False])
def test_expectation_does_not_replace_another_trigger(queue: Queue, active: bool) -> None:
    """The worker skips an expectation that is met, so the other trigger would be lost."""
    if active:
        queue.add(A, Trigger.AGENT)
        assert queue.take() is not None
    for trigger in (Trigger.EXPECTATION, Trigger.CHILD, Trigger.EXPECTATION):
        queue.add(A, trigger)
    if active:
        queue.done(A)
    item = queue.take()
    assert item is not None
    assert item.trigger is Trigger.CHILD


def test_change_precedes_a_resync(queue: Queue) -> None:
    queue.add(A, Trigger.RESYNC)
    queue.add(B, Trigger.AGENT)
    assert drain(queue) == [B, A]


def test_resynced_agent_that_changes_moves_to_the_front(queue: Queue, clock: ManualClock) -> None:
    queue.add(A, Trigger.RESYNC)
    queue.add(B, Trigger.REFERENCE)
    clock.now += 1
    queue.add(A, Trigger.AGENT)
    assert drain(queue) == [A, B]


def test_resync_does_not_starve(queue: Queue, clock: ManualClock) -> None:
    queue.add(A, Trigger.RESYNC)
    clock.now += 31
    queue.add(B, Trigger.AGENT)
    assert drain(queue) == [A, B]


def test_age_is_that_of_the_longest_waiting_agent(queue: Queue, clock: ManualClock) -> None:
    assert queue.age == 0
    queue.add(A, Trigger.RESYNC)
    clock.now += 5
    queue.add(A, Trigger.AGENT)
    assert queue.age == 5


def test_retries_back_off_up_to_a_minute(queue: Queue, clock: ManualClock) -> None:
    delays = []
    for _ in range(12):
        delays.append(queue.retry(A))
        assert queue.take() is None
        clock.now += delays[-1]
        assert drain(queue) == [A]
    assert 0.375 <= delays[0] <= 0.5
    assert all(later > earlier for earlier, later in pairwise(delays[:7]))
    assert all(45 <= delay <= 60 for delay in delays[-3:])


def test_success_resets_the_back_off(queue: Queue) -> None:
    for _ in range(8):
        queue.retry(A)
    queue.forget(A)
    assert queue.retry(A) <= 0.5


def test_failing_agent_is_processed_immediately_only_after_an_edit(queue: Queue, clock: ManualClock) -> None:
    for _ in range(8):
        queue.retry(A)
    queue.add(A, Trigger.CHILD)
    assert queue.take() is None
    clock.now += 1
    assert drain(queue) == [A]
    queue.add(A, Trigger.AGENT)
    assert drain(queue) == [A]


def test_stream_of_events_does_not_postpone_a_failing_agent(queue: Queue, clock: ManualClock) -> None:
    for _ in range(8):
        queue.retry(A)
    for _ in range(5):
        queue.add(A, Trigger.CHILD)
        clock.now += 0.25
    assert drain(queue) == [A]


def test_failing_agent_does_not_delay_others(queue: Queue) -> None:
    queue.retry(A)
    queue.add(B, Trigger.RESYNC)
    assert drain(queue) == [B]


def test_last_timer_of_a_trigger_replaces_earlier_ones(queue: Queue, clock: ManualClock) -> None:
    queue.add_after(A, 5, Trigger.RESYNC)
    queue.add_after(A, 10, Trigger.RESYNC)
    clock.now += 6
    assert queue.take() is None
    clock.now += 5
    assert drain(queue) == [A]


def test_jitter_is_at_most_a_fifth(queue: Queue) -> None:
    assert all(10 <= queue.jittered(10) <= 12 for _ in range(100))


async def test_get_waits_for_agents_and_timers() -> None:
    loop = asyncio.get_running_loop()
    queue = Queue(loop.time)
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add(A, Trigger.AGENT)
    queue.add(B, Trigger.AGENT)
    queue.add_after(C, 0.01, Trigger.RETRY)
    async with asyncio.timeout(DEADLINE):
        items = await asyncio.gather(*waiting)
    assert {item.key for item in items} == {A, B, C}
