"""Run several coroutines at once and end them together."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


async def unless(stop: asyncio.Event, call: Coroutine[Any, Any, None], *others: "asyncio.Task[None]") -> bool:
    """Await a call, or cancel it when `stop` is set or another task ends. Returns whether it completed."""
    task = asyncio.create_task(call)
    stopped = asyncio.create_task(stop.wait())
    waited: set[asyncio.Task[Any]] = {task, stopped, *others}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.wait({task})
    return False


@asynccontextmanager
async def background(*calls: Coroutine[Any, Any, None]) -> AsyncIterator["asyncio.Task[None]"]:
    """Run calls that never end in the background of a block.

    Yields a task that is done when one of the calls has failed. The first error is raised at the end of the block.
    """

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(call)

    task = asyncio.create_task(together(), name="background")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
    error = None if task.cancelled() else task.exception()
    if isinstance(error, BaseExceptionGroup):
        # The first error is the cause. The other calls were cancelled because of it.
        raise error.exceptions[0]
