"""Tasks: each is one message and the agent's answer to it, as it comes into being."""

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

# Seconds that a task can be asked for after its end.
TTL = 600.0
MAX_TASKS = 1_000
# Of all texts together.
MAX_CHARS = 8_000_000


class State(StrEnum):
    """What became of a task. One answer ends it, so there is no state that waits for input."""

    SUBMITTED = "submitted"
    WORKING = "working"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELED = "canceled"


ENDED = frozenset({State.COMPLETED, State.FAILED, State.REJECTED, State.CANCELED})


class End(NamedTuple):
    """How a task ends, and when."""

    state: State
    reason: str
    code: str
    since: datetime


@dataclass(slots=True, eq=False)
class Task:
    """One task.

    Attributes:
        owner: who gave it: the only one who may see it.
        context_id: the conversation that it belongs to; a session of the agent.
        message_id: the caller's name for the message.
        reason: why it failed or was rejected; safe to show.
        code: the same as a stable code.
        work: answers it; ends before or with the task.
        elsewhere: another replica works on it, or did; this is how it was when it was last asked for.
    """

    owner: str
    context_id: str
    message_id: str
    message: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: State = State.SUBMITTED
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    reason: str = ""
    code: str = ""
    work: asyncio.Task[None] | None = None
    elsewhere: bool = False
    _pieces: list[str] = field(default_factory=list)
    # Of a task that ended: thousands of pieces would take ten times the room.
    _whole: str | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        """Nothing will change any more."""
        return self.state in ENDED

    @property
    def text(self) -> str:
        """The answer, as far as it has come."""
        return "".join(self._pieces) if self._whole is None else self._whole

    def say(self, piece: str) -> None:
        """Add to the answer of a task that has not ended."""
        if not self.ended:
            self._pieces.append(piece)
            self._tell()

    def become(self, state: State, reason: str = "", code: str = "", since: datetime | None = None) -> None:
        """Change the state; one that ended stays as it ended."""
        if not self.ended:
            self.state, self.reason, self.code, self.since = state, reason, code, since or datetime.now(UTC)
            if state in ENDED:
                self._whole = "".join(self._pieces)
                self._pieces.clear()
            self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def follow(self) -> AsyncIterator[str]:
        """The answer from its beginning, what has come since the last look at a time, until the task ends."""
        pieces = chars = 0
        while self._whole is None:
            changed = self._changed
            if pieces == len(self._pieces):
                await changed.wait()
                continue
            fresh = "".join(self._pieces[pieces:])
            pieces, chars = len(self._pieces), chars + len(fresh)
            yield fresh
        if rest := self._whole[chars:]:
            yield rest


class TaskStore:
    """Keeps tasks in the process's memory; see shared.py for what other replicas know of them.

    A task that ended is forgotten after TTL seconds, or earlier when there are too many or they hold too much text;
    the one that ended first goes first.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        most: int = MAX_TASKS,
        most_running: int = MAX_TASKS,
        most_chars: int = MAX_CHARS,
    ) -> None:
        self._clock = clock
        self._most_running = min(most, most_running)
        self._most = most
        self._most_chars = most_chars
        self._running: dict[str, Task] = {}
        # When it is forgotten, how many characters it has, and the task.
        self._ended: OrderedDict[str, tuple[float, int, Task]] = OrderedDict()
        self._chars = 0

    def add(self, task: Task) -> None:
        """Keep a task that begins.

        Raises:
            Problem: too many are under way.
        """
        if len(self._running) >= self._most_running:
            raise Problem(503, "overloaded", "Too many tasks are under way", retry_after=1)
        self._running[task.id] = task
        self._tidy()

    def finish(self, task: Task) -> None:
        """Take note that a task ended."""
        if self._running.pop(task.id, None) is not None:
            chars = len(task.message) + len(task.reason) + len(task.text)
            self._chars += chars
            self._ended[task.id] = (self._clock() + TTL, chars, task)
            self._tidy()

    def find(self, task_id: str, owner: str) -> Task | None:
        """A task of this owner."""
        self._tidy()
        ended = self._ended.get(task_id)
        task = ended[2] if ended else self._running.get(task_id)
        return task if task is not None and task.owner == owner else None

    def running(self) -> tuple[Task, ...]:
        """Those under way."""
        return tuple(self._running.values())

    def __len__(self) -> int:
        return len(self._running) + len(self._ended)

    def _tidy(self) -> None:
        while self._ended:
            expires, chars, task = next(iter(self._ended.values()))
            if len(self) <= self._most and self._chars <= self._most_chars and self._clock() < expires:
                return
            del self._ended[task.id]
            self._chars -= chars
