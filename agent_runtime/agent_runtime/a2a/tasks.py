"""Tasks of this replica. A task is one message and the agent's answer to it, which grows until the task ends."""

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from agent_runtime.errors import Problem

# Seconds that a task stays available after its end.
TTL = 600.0
MAX_TASKS = 1_000
# Limit for the texts of all ended tasks together.
MAX_CHARS = 8_000_000


class TaskState(StrEnum):
    """State of a task. One answer ends a task, so the protocol's states that wait for input do not occur."""

    SUBMITTED = "submitted"
    WORKING = "working"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELED = "canceled"


ENDED = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.REJECTED, TaskState.CANCELED})


class StateChange(NamedTuple):
    """A state of a task, its cause, and when the task entered it."""

    state: TaskState
    reason: str
    code: str
    since: datetime


@dataclass(slots=True, eq=False)
class Task:
    """One task.

    Attributes:
        owner: the caller that sent the message. Only this caller may see the task.
        context_id: the session of the agent that the task belongs to.
        message_id: id of the message, chosen by the caller.
        reason: why the task failed or was rejected, or why the answer is cut; safe to show.
        code: stable code of the reason; of a completed task the finish reason of the model.
        work: computes the answer; ends before the task or with it.
        remote: another replica works on the task, and this is a copy of what it last published.
    """

    owner: str
    context_id: str
    message_id: str
    message: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: TaskState = TaskState.SUBMITTED
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    reason: str = ""
    code: str = ""
    work: asyncio.Task[None] | None = None
    remote: bool = False
    _parts: list[str] = field(default_factory=list)
    # The joined parts of an ended task. Thousands of short strings would take ten times the memory.
    _final_text: str | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        """Whether the task is in a state that does not change any more."""
        return self.state in ENDED

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._parts) if self._final_text is None else self._final_text

    def append(self, part: str) -> None:
        """Append to the answer, unless the task has ended."""
        if not self.ended:
            self._parts.append(part)
            self._notify()

    def set_state(self, state: TaskState, reason: str = "", code: str = "", since: datetime | None = None) -> None:
        """Change the state, unless the task has ended."""
        if not self.ended:
            self.state, self.reason, self.code, self.since = state, reason, code, since or datetime.now(UTC)
            if state in ENDED:
                self._final_text = "".join(self._parts)
                self._parts.clear()
            self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def follow(self) -> AsyncIterator[str]:
        """Yield the answer from its start: the existing text, then each addition, until the task ends."""
        parts = chars = 0
        while self._final_text is None:
            changed = self._changed
            if parts == len(self._parts):
                await changed.wait()
                continue
            added = "".join(self._parts[parts:])
            parts, chars = len(self._parts), chars + len(added)
            yield added
        if rest := self._final_text[chars:]:
            yield rest


class TaskStore:
    """Holds the tasks of this replica in memory; shared.py publishes them to the other replicas.

    An ended task is dropped after TTL seconds. If there are too many tasks or their texts are too long, the task that
    ended first is dropped earlier.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_tasks: int = MAX_TASKS,
        max_running: int = MAX_TASKS,
        max_chars: int = MAX_CHARS,
    ) -> None:
        self._clock = clock
        self._max_running = min(max_tasks, max_running)
        self._max_tasks = max_tasks
        self._max_chars = max_chars
        self._running: dict[str, Task] = {}
        # Id -> (time of expiry, number of characters, task).
        self._ended: OrderedDict[str, tuple[float, int, Task]] = OrderedDict()
        self._chars = 0

    def add(self, task: Task) -> None:
        """Store a task that starts.

        Raises:
            Problem: too many tasks are running.
        """
        if len(self._running) >= self._max_running:
            raise Problem(503, "overloaded", "The agent has too many tasks running: retry", retry_after=1)
        self._running[task.id] = task
        self._evict()

    def finish(self, task: Task) -> None:
        """Move a task to the ended ones."""
        if self._running.pop(task.id, None) is not None:
            chars = len(task.message) + len(task.reason) + len(task.text)
            self._chars += chars
            self._ended[task.id] = (self._clock() + TTL, chars, task)
            self._evict()

    def find(self, task_id: str, owner: str) -> Task | None:
        """Return a task of this owner, or None."""
        self._evict()
        ended = self._ended.get(task_id)
        task = ended[2] if ended else self._running.get(task_id)
        return task if task is not None and task.owner == owner else None

    def running(self) -> tuple[Task, ...]:
        """Return the tasks that have not ended."""
        return tuple(self._running.values())

    def __len__(self) -> int:
        return len(self._running) + len(self._ended)

    def _evict(self) -> None:
        while self._ended:
            expires, chars, task = next(iter(self._ended.values()))
            within_limits = len(self) <= self._max_tasks and self._chars <= self._max_chars
            if within_limits and self._clock() < expires:
                return
            del self._ended[task.id]
            self._chars -= chars
