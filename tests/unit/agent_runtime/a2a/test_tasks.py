"""The store of tasks is bounded in number, in text and in time."""

import asyncio

import pytest

from agent_runtime.a2a.tasks import TTL, Task, TaskState, TaskStore
from agent_runtime.errors import Problem


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def task(owner: str = "", text: str = "hi") -> Task:
    """A task."""
    return Task(owner, "context", "message", text)


def ended(store: TaskStore, *pieces: str) -> Task:
    """A task that was completed."""
    one = task()
    store.add(one)
    for piece in pieces:
        one.append(piece)
    one.set_state(TaskState.COMPLETED)
    store.finish(one)
    return one


def test_a_task_is_found_by_its_owner_only() -> None:
    """Another caller does not learn that it exists."""
    store = TaskStore()
    mine = task("me")
    store.add(mine)

    assert store.find(mine.id, "me") is mine
    assert store.find(mine.id, "you") is None
    assert store.find("other", "me") is None


def test_a_task_is_forgotten_after_its_time() -> None:
    """TTL seconds after its end, not after its beginning."""
    clock = Clock()
    store = TaskStore(clock)
    running, done = task(), ended(store)
    store.add(running)

    clock.now = TTL - 1
    assert store.find(done.id, "") is done
    clock.now = TTL
    assert store.find(done.id, "") is None
    assert store.find(running.id, "") is running


def test_the_oldest_that_ended_makes_room() -> None:
    """Never one that is under way."""
    store = TaskStore(max_tasks=3)
    running = task()
    store.add(running)
    first, second, third = (ended(store) for _ in range(3))

    assert len(store) == 3
    assert store.find(first.id, "") is None
    assert [store.find(one.id, "") for one in (running, second, third)] == [running, second, third]


def test_too_many_under_way_are_refused() -> None:
    """With a 503 that says when to come back."""
    store = TaskStore(max_running=1)
    store.add(task())

    with pytest.raises(Problem) as raised:
        store.add(task())

    assert (raised.value.status, raised.value.retry_after) == (503, 1)


def test_text_is_bounded() -> None:
    """Long answers push older ones out, and the count comes back to zero."""
    clock = Clock()
    store = TaskStore(clock, max_chars=100)
    first, second = ended(store, "x" * 60), ended(store, "x" * 60)

    assert store.find(first.id, "") is None
    assert store.find(second.id, "") is second
    clock.now = TTL
    assert store.find(second.id, "") is None
    assert (len(store), store._chars) == (0, 0)


def test_what_ended_stays_as_it_ended() -> None:
    """A late success does not undo a cancellation."""
    one = task()
    one.set_state(TaskState.CANCELED)
    one.set_state(TaskState.COMPLETED)

    assert one.state is TaskState.CANCELED


async def test_every_follower_gets_all_of_the_answer() -> None:
    """From the beginning, whenever it came, without a piece lost or told twice."""
    one = task()

    async def followed() -> str:
        return "".join([piece async for piece in one.follow()])

    early = asyncio.create_task(followed())
    await asyncio.sleep(0)
    one.append("a")
    await asyncio.sleep(0)
    late = asyncio.create_task(followed())
    one.append("b")
    one.append("c")
    one.set_state(TaskState.COMPLETED)
    one.append("too late")

    assert list(await asyncio.gather(early, late, followed())) == ["abc"] * 3
