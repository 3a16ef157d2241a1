"""Tasks are worked on here, apart from the requests that gave them: a stream that breaks can be taken up again."""

import asyncio
import logging
from contextlib import aclosing

from agent_runtime.a2a.tasks import State, Task, TaskStore
from agent_runtime.agent import Agent
from agent_runtime.errors import Problem

log = logging.getLogger(__name__)


class Tasks:
    """The tasks of an agent. Each ends with the agent's deadline for requests at the latest."""

    def __init__(self, agent: Agent, store: TaskStore) -> None:
        self._agent = agent
        self._store = store

    def begin(self, task: Task, session_id: str) -> None:
        """Work on a task, in this session.

        Raises:
            Problem: too many are under way.
        """
        self._store.add(task)
        task.become(State.WORKING)
        task.work = asyncio.create_task(self._answer(task, session_id))
        task.work.add_done_callback(lambda _: self._ended(task))

    def find(self, task_id: str, owner: str) -> Task | None:
        """A task of this owner; None when there is none, or none any more."""
        return self._store.find(task_id, owner)

    async def cancel(self, task: Task) -> None:
        """End a task; returns when nothing is done for it any more."""
        task.become(State.CANCELED)
        if task.work is not None:
            task.work.cancel()
            await asyncio.wait([task.work])

    async def aclose(self) -> None:
        """End all tasks."""
        await asyncio.gather(*map(self.cancel, self._store.running()))

    async def _answer(self, task: Task, session_id: str) -> None:
        try:
            async with aclosing(self._agent.chat_stream(task.message, session_id, None)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, str):
                        task.say(piece)
            task.become(State.COMPLETED)
        except Problem as problem:
            refused = problem.status < 500  # noqa: PLR2004  (what the caller could mend)
            task.become(State.REJECTED if refused else State.FAILED, problem.detail, problem.code)
        except Exception:
            log.exception("unexpected error", extra={"fields": {"route": "/a2a"}})
            task.become(State.FAILED, "The agent failed; its log says where", "internal_error")

    def _ended(self, task: Task) -> None:
        # A task that was cancelled before it began has come here without a state of its own.
        task.become(State.CANCELED)
        task.work = None
        self._store.finish(task)
