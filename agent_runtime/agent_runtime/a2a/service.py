"""Run tasks independently of the requests that started them, so that a client can resume a stream that broke."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime

from agent_runtime.a2a.shared import SharedTasks
from agent_runtime.a2a.tasks import StateChange, Task, TaskState, TaskStore
from agent_runtime.agent.agent import Agent, ChatResponse
from agent_runtime.errors import Problem

# Seconds between polls of the records of other replicas.
INTERVAL = 0.5
# Polls between renewals of the records of running tasks.
RENEWAL = 8
# Polls until a replica that does not react, or a record that is missing, counts as lost.
MAX_POLLS = 10

log = logging.getLogger(__name__)


def _why_cut(response: ChatResponse) -> str:
    """Return why an answer is not whole; "" if it is. The task's code is the finish reason."""
    if response.whole:
        return ""
    reasons = {
        "length": "The answer is cut, because it reached the model's limit of tokens",
        "content_filter": "A content filter of the model removed the answer or a part of it",
    }
    return reasons.get(response.finish_reason or "", "The answer is empty or cut")


class TaskService:
    """Starts, finds, follows and cancels tasks. The agent's request timeout limits the duration of each task."""

    def __init__(self, agent: Agent, store: TaskStore, shared: SharedTasks | None = None) -> None:
        self._agent = agent
        self._store = store
        self._shared = shared
        self._watching = asyncio.create_task(self._watch(shared)) if shared else None

    async def begin(self, task: Task, session_id: str) -> None:
        """Start a task in a session.

        Raises:
            Problem: too many tasks are running.
        """
        self._store.add(task)
        task.set_state(TaskState.WORKING)
        task.work = asyncio.create_task(self._answer(task, session_id))
        task.work.add_done_callback(lambda _: self._finish(task))
        if self._shared is not None:
            try:
                await self._shared.begin(task)
            except asyncio.CancelledError:
                # The caller disconnected before it got the id of the task, so it can never ask for the result.
                await self.cancel(task)
                raise

    async def find(self, task_id: str, owner: str) -> Task | None:
        """Return a task of this owner, from any replica; None if there is none or it has expired."""
        task = self._store.find(task_id, owner)
        if task is None and self._shared is not None:
            task = await self._shared.find(task_id)
        return task if task is not None and task.owner == owner else None

    async def cancel(self, task: Task) -> Task:
        """Cancel a task; return it after its work has stopped."""
        if task.remote and self._shared is not None:
            return await self._cancel_remote(task, self._shared)
        task.set_state(TaskState.CANCELED)
        if task.work is not None:
            task.work.cancel()
            await asyncio.wait([task.work])
        if self._shared is not None:
            await self._shared.end(task)
        return task

    async def follow(self, task: Task) -> AsyncIterator[str]:
        """Yield the answer in parts until the task ends. The answer of another replica comes in one part."""
        missing = 0
        while task.remote and not task.ended:
            await asyncio.sleep(INTERVAL)
            current = await self.find(task.id, task.owner)
            # A single miss does not mean that the task is lost, because Redis may be unreachable for a moment.
            missing = missing + 1 if current is None else 0
            if missing == MAX_POLLS:
                task.set_state(
                    TaskState.FAILED, "The replica that worked on the task is gone: send it again", "task_lost"
                )
            if current is not None and current.ended:
                task.append(current.text)
                task.set_state(current.state, current.reason, current.code, current.since)
        async for part in task.follow():
            yield part

    async def aclose(self) -> None:
        """Cancel all running tasks."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        await asyncio.gather(*map(self.cancel, self._store.running()))

    async def _cancel_remote(self, task: Task, shared: SharedTasks) -> Task:
        await shared.request_cancel(task.id)
        for _ in range(MAX_POLLS):
            await asyncio.sleep(INTERVAL)
            task = await shared.find(task.id) or task
            if task.ended:
                return task
        task.set_state(TaskState.CANCELED)
        await shared.end(task)
        return task

    async def _watch(self, shared: SharedTasks) -> None:
        """Renew the records of running tasks, and cancel those that other replicas ask to cancel. Never returns."""
        for poll in itertools.count():
            await asyncio.sleep(INTERVAL)
            running = {task.id: task for task in self._store.running()}
            if running and poll % RENEWAL == 0:
                await shared.renew(tuple(running))
            if running:
                task_ids = await shared.to_cancel(tuple(running))
                await asyncio.gather(*(self.cancel(running[task_id]) for task_id in task_ids))

    async def _answer(self, task: Task, session_id: str) -> None:
        try:
            async with aclosing(self._agent.chat_stream(task.message, session_id, None)) as parts:
                async for part in parts:
                    if isinstance(part, str):
                        task.append(part)
                    else:
                        response = part
            await self._end(task, TaskState.COMPLETED, _why_cut(response), response.finish_reason or "")
        except Problem as problem:
            # The caller can fix a 4xx. The protocol calls such a task rejected.
            rejected = problem.status < 500  # noqa: PLR2004
            await self._end(task, TaskState.REJECTED if rejected else TaskState.FAILED, problem.detail, problem.code)
        except Exception:
            log.exception("unexpected error", extra={"fields": {"route": "/a2a"}})
            await self._end(task, TaskState.FAILED, "The agent failed: see its log for the cause", "internal_error")

    async def _end(self, task: Task, state: TaskState, reason: str = "", code: str = "") -> None:
        """End a task. Publish the end first, so that other replicas know it as soon as followers of the task do."""
        end = StateChange(state, reason, code, datetime.now(UTC))
        if self._shared is not None:
            await self._shared.end(task, end)
        task.set_state(*end)

    def _finish(self, task: Task) -> None:
        # A task that was cancelled before its work began has no final state yet. Otherwise this has no effect.
        task.set_state(TaskState.CANCELED)
        task.work = None
        self._store.finish(task)
