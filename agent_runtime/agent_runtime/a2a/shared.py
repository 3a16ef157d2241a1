"""Tasks that replicas share through Redis, so that a caller can ask any replica for a task.

A replica publishes a task when the task starts and when it ends. In between, other replicas know that the task is
running, but not the answer so far. The record of a running task has a short expiry, which its replica renews. If the
replica dies, the record expires. To cancel a task, another replica writes a cancellation key, which the replica of the
task polls. Without Redis, or while Redis fails, only the replica of a task knows it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import orjson
from aiohttp import web

from agent_runtime.a2a.tasks import TTL, StateChange, Task, TaskState

MAX_TASKS = 10_000
# Seconds until the record of a running task expires unless its replica renews it.
LEASE = 15
DAY = 86_400
_INDEX = "a2a:index"


class KeyValueStore(Protocol):
    """A key-value store that all replicas use; see memory.redis.RedisStore."""

    def key(self, name: str) -> str:
        """Return the key for a name. It differs between agents."""
        ...

    async def transact(self, *commands: tuple[str | bytes | int, ...]) -> list[Any] | None:
        """Run Redis commands in one transaction; return their results, or None if Redis is unreachable.

        Transactions reach Redis in the order of the calls.
        """
        ...


# Set only if the agent has a Redis.
SHARED: web.AppKey[KeyValueStore] = web.AppKey("shared")


class SharedTasks:
    """The tasks of all replicas: at most MAX_TASKS, each until some time after its end."""

    def __init__(self, store: KeyValueStore, max_tasks: int = MAX_TASKS) -> None:
        self._store = store
        self._max_tasks = max_tasks

    async def begin(self, task: Task) -> None:
        """Publish a task that starts. If there are too many tasks, drop the oldest."""
        index = self._store.key(_INDEX)
        results = await self._store.transact(
            self._set(LEASE, task),
            ("RPUSH", index, task.id),
            ("EXPIRE", index, DAY),
        )
        if results and (excess := results[1] - self._max_tasks) > 0:
            await self._drop_oldest(index, excess)

    async def end(self, task: Task, end: StateChange | None = None) -> None:
        """Publish the end of a task: `end`, or the present state of the task."""
        await self._store.transact(self._set(int(TTL), task, end))

    async def find(self, task_id: str) -> Task | None:
        """Return the last published state of a task, or None if the task is unknown or Redis unreachable."""
        results = await self._store.transact(("GET", self._task_key(task_id)))
        return _decoded(results[0]) if results and results[0] else None

    async def request_cancel(self, task_id: str) -> None:
        """Ask the replica that works on a task to cancel it."""
        await self._store.transact(("SET", self._cancel_key(task_id), 1, "EX", LEASE))

    async def renew(self, task_ids: Sequence[str]) -> None:
        """Renew the records of running tasks. Call it more often than every LEASE seconds."""
        await self._store.transact(*(("EXPIRE", self._task_key(task_id), LEASE) for task_id in task_ids))

    async def to_cancel(self, task_ids: Sequence[str]) -> list[str]:
        """Return the tasks among these that another replica asked to cancel."""
        results = await self._store.transact(("MGET", *map(self._cancel_key, task_ids)))
        requests = results[0] if results else ()
        return [task_id for task_id, requested in zip(task_ids, requests, strict=False) if requested]

    async def _drop_oldest(self, index: str, count: int) -> None:
        results = await self._store.transact(("LPOP", index, count))
        if results and results[0]:
            await self._store.transact(("UNLINK", *(self._task_key(task_id.decode()) for task_id in results[0])))

    def _set(self, ttl: int, task: Task, end: StateChange | None = None) -> tuple[str | bytes | int, ...]:
        return "SET", self._task_key(task.id), _encoded(task, end), "EX", ttl

    def _task_key(self, task_id: str) -> str:
        return self._store.key(f"a2a:task:{task_id}")

    def _cancel_key(self, task_id: str) -> str:
        return self._store.key(f"a2a:cancel:{task_id}")


_FIELDS = ("owner", "context_id", "message_id", "message", "id")


def _encoded(task: Task, end: StateChange | None) -> bytes:
    """Return the record of a task. Replicas of other versions read it too, so its format must not change."""
    fields = {name: getattr(task, name) for name in _FIELDS}
    change = end or StateChange(task.state, task.reason, task.code, task.since)
    return orjson.dumps(fields | {"text": task.text, "how": list(change)})


def _decoded(record: bytes) -> Task | None:
    """Return the task of a record, or None if another version wrote it in an unknown format."""
    try:
        fields = orjson.loads(record)
        task = Task(**{name: fields[name] for name in _FIELDS}, remote=True)
        task.append(fields["text"])
        state, reason, code, since = fields["how"]
        task.set_state(TaskState(state), reason, code, datetime.fromisoformat(since))
    except (ValueError, KeyError, TypeError):
        return None
    return task
