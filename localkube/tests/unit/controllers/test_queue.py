"""The work queue."""

import asyncio

from localkube.client.workqueue import WorkQueue
from tests.patience import DEADLINE


async def test_a_queued_key_is_not_added_again() -> None:
    queue = WorkQueue()
    for name in ("a", "b", "a"):
        queue.add(("n", name))
    assert [await queue.get(), await queue.get()] == [("n", "a"), ("n", "b")]
    assert len(queue) == 0


async def test_get_waits_for_a_key() -> None:
    queue = WorkQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add(("n", "a"))
    assert await asyncio.wait_for(waiting, DEADLINE) == ("n", "a")


async def test_of_two_delays_the_shorter_one_counts() -> None:
    queue = WorkQueue()
    queue.add_after(("n", "a"), 1000)
    queue.add_after(("n", "a"), 0.01)
    queue.add_after(("n", "a"), 2000)
    assert await asyncio.wait_for(queue.get(), DEADLINE) == ("n", "a")
    assert len(queue) == 0


async def test_a_closed_queue_adds_no_delayed_keys() -> None:
    queue = WorkQueue()
    queue.add_after(("n", "a"), 0)
    queue.close()
    await asyncio.sleep(0.01)
    assert len(queue) == 0
