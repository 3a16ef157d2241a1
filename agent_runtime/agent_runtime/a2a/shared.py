"""What replicas know of each other's tasks, kept in the Redis that they share.

A task is written twice: when it begins and when it ends. In between another replica can say that it is under way, but
not how far it has come; the replica that works on it renews it now and then, so that it does not outlive that replica.
One that is to be cancelled gets a mark, at which the replica that works on it looks. Without Redis, or while it fails,
a task is known to its own replica only.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import orjson
from aiohttp import web

from agent_runtime.a2a.tasks import TTL, End, State, Task

MAX_TASKS = 10_000
# Seconds until a task is forgotten that its replica does not renew.
LEASE = 15
DAY = 86_400
_INDEX = "a2a:index"


class Keys(Protocol):
    """Keys and values that all replicas see; see memory.redis.RedisStore."""

    def key(self, name: str) -> str:
        """The key of something of this agent's."""
        ...

    async def transact(self, *commands: tuple[str | bytes | int, ...]) -> list[Any] | None:
        """Carry out Redis commands all together or not at all; their answers, None when Redis cannot be reached.

        Transactions arrive in the order in which they were asked for.
        """
        ...


# Set on the application only when the agent has a Redis.
SHARED: web.AppKey[Keys] = web.AppKey("shared")


class SharedTasks:
    """The tasks of all replicas: MAX_TASKS at most, forgotten some time after their end."""

    def __init__(self, keys: Keys, most: int = MAX_TASKS) -> None:
        self._keys = keys
        self._most = most

    async def begin(self, task: Task) -> None:
        """Tell of a task that begins; the oldest of too many are forgotten."""
        index = self._keys.key(_INDEX)
        results = await self._keys.transact(
            self._set(LEASE, task),
            ("RPUSH", index, task.id),
            ("EXPIRE", index, DAY),
        )
        if results and (over := results[1] - self._most) > 0:
            await self._drop(index, over)

    async def end(self, task: Task, end: End | None = None) -> None:
        """Tell how a task will end at once, or has ended."""
        await self._keys.transact(self._set(int(TTL), task, end))

    async def find(self, task_id: str) -> Task | None:
        """A task of any replica, as it was last told; None when there is none, or Redis cannot be reached."""
        results = await self._keys.transact(("GET", self._key(task_id)))
        return _decoded(results[0]) if results and results[0] else None

    async def ask_to_cancel(self, task_id: str) -> None:
        """Ask the replica that works on a task to end it."""
        await self._keys.transact(("SET", self._mark(task_id), 1, "EX", LEASE))

    async def renew(self, task_ids: Sequence[str]) -> None:
        """Tell that these tasks are still worked on; to be said more often than every LEASE seconds."""
        await self._keys.transact(*(("EXPIRE", self._key(task_id), LEASE) for task_id in task_ids))

    async def to_cancel(self, task_ids: Sequence[str]) -> list[str]:
        """Those of these tasks that somebody asked to cancel."""
        results = await self._keys.transact(("MGET", *map(self._mark, task_ids)))
        marks = results[0] if results else ()
        return [task_id for task_id, mark in zip(task_ids, marks, strict=False) if mark]

    async def _drop(self, index: str, count: int) -> None:
        results = await self._keys.transact(("LPOP", index, count))
        if results and results[0]:
            await self._keys.transact(("UNLINK", *(self._key(name.decode()) for name in results[0])))

    def _set(self, ttl: int, task: Task, end: End | None = None) -> tuple[str | bytes | int, ...]:
        return "SET", self._key(task.id), _encoded(task, end), "EX", ttl

    def _key(self, task_id: str) -> str:
        return self._keys.key(f"a2a:task:{task_id}")

    def _mark(self, task_id: str) -> str:
        return self._keys.key(f"a2a:cancel:{task_id}")


_GIVEN = ("owner", "context_id", "message_id", "message", "id")


def _encoded(task: Task, end: End | None) -> bytes:
    told = {name: getattr(task, name) for name in _GIVEN}
    how = end or End(task.state, task.reason, task.code, task.since)
    return orjson.dumps(told | {"text": task.text, "how": list(how)})


def _decoded(value: bytes) -> Task | None:
    """None for what another version wrote, which this one does not understand."""
    try:
        told = orjson.loads(value)
        task = Task(**{name: told[name] for name in _GIVEN}, elsewhere=True)
        task.say(told["text"])
        state, reason, code, since = told["how"]
        task.become(State(state), reason, code, datetime.fromisoformat(since))
    except (ValueError, KeyError, TypeError):
        return None
    return task
