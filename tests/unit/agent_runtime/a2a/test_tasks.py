"""Tasks, and the limits of their store: number, text and time."""

import asyncio

import pytest

from agent_runtime.a2a.tasks import TTL, Task, TaskState, TaskStore
from agent_runtime.errors import Problem
from tests.clock import ManualClock


def make_task(owner: str = "", text: str = "hi") -> Task:
    """Return a new task."""
    return Task(owner, "context", "message", text)


def completed_task(store: TaskStore, *parts: str) -> Task:
    """Return a completed task of the store with this answer."""
    task = make_task()
    store.add(task)
    for part in parts:
        task.append(part)
    task.set_state(TaskState.COMPLETED)
    store.finish(task)
    return task


def test_a_task_is_found_by_its_owner_only() -> None:
    """Another caller cannot find out that the task exists."""
    store = TaskStore()
    task = make_task("me")
    store.add(task)

    assert store.find(task.id, "me") is task
    assert store.find(task.id, "you") is None
    assert store.find("other", "me") is None


def test_a_task_expires_after_its_end() -> None:
    """TTL counts from the end of the task, so a running task never expires."""
    clock = ManualClock()
    store = TaskStore(clock)
    running, done = make_task(), completed_task(store)
    store.add(running)

    clock.now = TTL - 1
    assert store.find(done.id, "") is done
    clock.now = TTL
    assert store.find(done.id, "") is None
    assert store.find(running.id, "") is running


def test_the_task_that_ended_first_is_dropped_first() -> None:
    """A running task is never dropped."""
    store = TaskStore(max_tasks=3)
    running = make_task()
    store.add(running)
    first, second, third = (completed_task(store) for _ in range(3))

    assert len(store) == 3
    assert store.find(first.id, "") is None
    assert [store.find(task.id, "") for task in (running, second, third)] == [running, second, third]


def test_too_many_running_tasks_are_refused() -> None:
    """The error is a 503 with Retry-After."""
    store = TaskStore(max_running=1)
    store.add(make_task())

    with pytest.raises(Problem) as raised:
        store.add(make_task())

    assert (raised.value.status, raised.value.retry_after) == (503, 1)


def test_the_text_of_ended_tasks_is_limited() -> None:
    """A long answer evicts an older task. After all have expired, the count of characters is zero."""
    clock = ManualClock()
    store = TaskStore(clock, max_chars=100)
    first, second = completed_task(store, "x" * 60), completed_task(store, "x" * 60)

    assert store.find(first.id, "") is None
    assert store.find(second.id, "") is second
    clock.now = TTL
    assert store.find(second.id, "") is None
    assert (len(store), store._chars) == (0, 0)


def test_the_state_of_an_ended_task_does_not_change() -> None:
    """A late success does not undo a cancellation."""
    task = make_task()
    task.set_state(TaskState.CANCELED)
    task.set_state(TaskState.COMPLETED)

    assert task.state is TaskState.CANCELED


async def test_every_follower_gets_the_whole_answer() -> None:
    """A follower gets each part once, even if it starts to follow late."""
    task = make_task()

    async def followed() -> str:
        return "".join([part async for part in task.follow()])

    early = asyncio.create_task(followed())
    await asyncio.sleep(0)
    task.append("a")
    await asyncio.sleep(0)
    late = asyncio.create_task(followed())
    task.append("b")
    task.append("c")
    task.set_state(TaskState.COMPLETED)
    task.append("too late")

    assert list(await asyncio.gather(early, late, followed())) == ["abc"] * 3
