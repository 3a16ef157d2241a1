"""Tasks are worked on here, apart from the requests that gave them: a stream that breaks can be taken up again."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime

from agent_runtime.a2a.shared import SharedTasks
from agent_runtime.a2a.tasks import End, State, Task, TaskStore
from agent_runtime.agent.agent import Agent
from agent_runtime.errors import Problem

# How often replicas look what became of each other's tasks, in seconds.
INTERVAL = 0.5
# Looks after which tasks under way are renewed.
RENEWAL = 8
# Looks after which a replica that does not do as it was asked, or a task that is not there, is given up.
PATIENCE = 10

log = logging.getLogger(__name__)


class Tasks:
    """The tasks of an agent. Each ends with the agent's deadline for requests at the latest."""

    def __init__(self, agent: Agent, store: TaskStore, shared: SharedTasks | None = None) -> None:
        self._agent = agent
        self._store = store
        self._shared = shared
        self._watching = asyncio.create_task(self._watch(shared)) if shared else None

    async def begin(self, task: Task, session_id: str) -> None:
        """Work on a task, in this session.

        Raises:
            Problem: too many are under way.
        """
        self._store.add(task)
        task.become(State.WORKING)
        task.work = asyncio.create_task(self._answer(task, session_id))
        task.work.add_done_callback(lambda _: self._ended(task))
        if self._shared is not None:
            try:
                await self._shared.begin(task)
            except asyncio.CancelledError:
                # Whoever leaves now never learned the task's id.
                await self.cancel(task)
                raise

    async def find(self, task_id: str, owner: str) -> Task | None:
        """A task of this owner, of whichever replica; None when there is none, or none any more."""
        task = self._store.find(task_id, owner)
        if task is None and self._shared is not None:
            task = await self._shared.find(task_id)
        return task if task is not None and task.owner == owner else None

    async def cancel(self, task: Task) -> Task:
        """End a task; the task when nothing is done for it any more."""
        if task.elsewhere and self._shared is not None:
            return await self._cancel_elsewhere(task, self._shared)
        task.become(State.CANCELED)
        if task.work is not None:
            task.work.cancel()
            await asyncio.wait([task.work])
        if self._shared is not None:
            await self._shared.end(task)
        return task

    async def follow(self, task: Task) -> AsyncIterator[str]:
        """The answer in pieces until the task ends; that of another replica comes in one."""
        missed = 0
        while task.elsewhere and not task.ended:
            await asyncio.sleep(INTERVAL)
            now = await self.find(task.id, task.owner)
            # Redis may be away for a moment.
            missed = missed + 1 if now is None else 0
            if missed == PATIENCE:
                task.become(State.FAILED, "The replica that worked on the task is gone", "task_lost")
            if now is not None and now.ended:
                task.say(now.text)
                task.become(now.state, now.reason, now.code, now.since)
        async for piece in task.follow():
            yield piece

    async def aclose(self) -> None:
        """End all tasks."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        await asyncio.gather(*map(self.cancel, self._store.running()))

    async def _cancel_elsewhere(self, task: Task, shared: SharedTasks) -> Task:
        await shared.ask_to_cancel(task.id)
        for _ in range(PATIENCE):
            await asyncio.sleep(INTERVAL)
            task = await shared.find(task.id) or task
            if task.ended:
                return task
        task.become(State.CANCELED)
        await shared.end(task)
        return task

    async def _watch(self, shared: SharedTasks) -> None:
        """Tell other replicas what is under way here, and end what they were asked to cancel, for ever."""
        for look in itertools.count():
            await asyncio.sleep(INTERVAL)
            running = {task.id: task for task in self._store.running()}
            if running and look % RENEWAL == 0:
                await shared.renew(tuple(running))
            if running:
                await asyncio.gather(*(self.cancel(running[one]) for one in await shared.to_cancel(tuple(running))))

    async def _answer(self, task: Task, session_id: str) -> None:
        try:
            async with aclosing(self._agent.chat_stream(task.message, session_id, None)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, str):
                        task.say(piece)
            await self._end(task, State.COMPLETED)
        except Problem as problem:
            refused = problem.status < 500  # noqa: PLR2004  (what the caller could mend)
            await self._end(task, State.REJECTED if refused else State.FAILED, problem.detail, problem.code)
        except Exception:
            log.exception("unexpected error", extra={"fields": {"route": "/a2a"}})
            await self._end(task, State.FAILED, "The agent failed; its log says where", "internal_error")

    async def _end(self, task: Task, state: State, reason: str = "", code: str = "") -> None:
        """End a task; other replicas know it when those who follow the task do."""
        end = End(state, reason, code, datetime.now(UTC))
        if self._shared is not None:
            await self._shared.end(task, end)
        task.become(*end)

    def _ended(self, task: Task) -> None:
        # A task that was cancelled before it began has come here without a state of its own.
        task.become(State.CANCELED)
        task.work = None
        self._store.finish(task)
