"""The queue, with a clock that the test turns."""

import asyncio
import random
from itertools import pairwise

import pytest

from agent_operator.kube.objects import Key
from agent_operator.kube.workqueue import Queue, Trigger
from tests.patience import DEADLINE

A, B, C = (Key("ns", name) for name in "abc")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> Queue:
    return Queue(clock, random_source=random.Random(1))


def order(queue: Queue) -> list[Key]:
    found = []
    while item := queue.take():
        found.append(item.key)
        queue.done(item.key)
    return found


def test_an_agent_waits_only_once(queue: Queue) -> None:
    for key in (A, B, A, A):
        queue.add(key, Trigger.CHILD)
    assert queue.depth == 2
    assert order(queue) == [A, B]


def test_an_agent_is_never_with_two_workers(queue: Queue) -> None:
    queue.add(A, Trigger.AGENT)
    item = queue.take()
    assert item is not None
    queue.add(A, Trigger.CHILD)
    queue.add(A, Trigger.RESYNC)
    assert queue.take() is None
    queue.done(A)
    again = queue.take()
    assert again is not None
    assert (again.key, again.trigger) == (A, Trigger.CHILD)


@pytest.mark.parametrize("active", [True, False])
def test_a_look_at_the_ledger_stands_for_no_other(queue: Queue, active: bool) -> None:
    """It may come to nothing, and then what else there was to look at would be forgotten."""
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


def test_what_changed_goes_before_a_resync(queue: Queue) -> None:
    queue.add(A, Trigger.RESYNC)
    queue.add(B, Trigger.AGENT)
    assert order(queue) == [B, A]


def test_a_resync_that_becomes_a_change_moves_to_the_front(queue: Queue, clock: Clock) -> None:
    queue.add(A, Trigger.RESYNC)
    queue.add(B, Trigger.REFERENCE)
    clock.now += 1
    queue.add(A, Trigger.AGENT)
    assert order(queue) == [A, B]


def test_a_resync_does_not_starve(queue: Queue, clock: Clock) -> None:
    queue.add(A, Trigger.RESYNC)
    clock.now += 31
    queue.add(B, Trigger.AGENT)
    assert order(queue) == [A, B]


def test_age_is_that_of_the_longest_waiting(queue: Queue, clock: Clock) -> None:
    assert queue.age == 0
    queue.add(A, Trigger.RESYNC)
    clock.now += 5
    queue.add(A, Trigger.AGENT)
    assert queue.age == 5


def test_retries_come_later_and_later_up_to_a_minute(queue: Queue, clock: Clock) -> None:
    delays = []
    for _ in range(12):
        delays.append(queue.retry(A))
        assert queue.take() is None
        clock.now += delays[-1]
        assert order(queue) == [A]
    assert 0.375 <= delays[0] <= 0.5
    assert all(later > earlier for earlier, later in pairwise(delays[:7]))
    assert all(45 <= delay <= 60 for delay in delays[-3:])


def test_success_makes_the_next_retry_quick_again(queue: Queue) -> None:
    for _ in range(8):
        queue.retry(A)
    queue.forget(A)
    assert queue.retry(A) <= 0.5


def test_a_failing_agent_is_looked_at_at_once_only_when_it_was_edited(queue: Queue, clock: Clock) -> None:
    for _ in range(8):
        queue.retry(A)
    queue.add(A, Trigger.CHILD)
    assert queue.take() is None
    clock.now += 1
    assert order(queue) == [A]
    queue.add(A, Trigger.AGENT)
    assert order(queue) == [A]


def test_a_stream_of_events_does_not_put_a_failing_agent_off(queue: Queue, clock: Clock) -> None:
    for _ in range(8):
        queue.retry(A)
    for _ in range(5):
        queue.add(A, Trigger.CHILD)
        clock.now += 0.25
    assert order(queue) == [A]


def test_one_failing_agent_does_not_delay_others(queue: Queue) -> None:
    queue.retry(A)
    queue.add(B, Trigger.RESYNC)
    assert order(queue) == [B]


def test_the_last_of_several_timers_counts(queue: Queue, clock: Clock) -> None:
    queue.add_after(A, 5, Trigger.RESYNC)
    queue.add_after(A, 10, Trigger.RESYNC)
    clock.now += 6
    assert queue.take() is None
    clock.now += 5
    assert order(queue) == [A]


def test_jitter_is_at_most_a_fifth(queue: Queue) -> None:
    assert all(10 <= queue.jittered(10) <= 12 for _ in range(100))


async def test_get_waits_for_an_agent_and_for_a_timer() -> None:
    loop = asyncio.get_running_loop()
    queue = Queue(loop.time)
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add(A, Trigger.AGENT)
    queue.add(B, Trigger.AGENT)
    queue.add_after(C, 0.01, Trigger.RETRY)
    async with asyncio.timeout(DEADLINE):
        found = await asyncio.gather(*waiting)
    assert {item.key for item in found} == {A, B, C}
