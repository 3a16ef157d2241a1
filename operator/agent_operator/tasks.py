"""Run several coroutines at once and end them together. Restart those that fail."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)

# Exceptions that end a task or the process. All others are errors, also those of pydantic's Rust code, which are no
# subclass of Exception.
ENDS = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)

# Seconds before a part that failed is started again. The delay doubles, and is reset when the part ran for longer.
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0


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


async def restarted(
    part: str, start: Callable[[], Coroutine[Any, Any, None]], failed: Callable[[str, BaseException], None]
) -> None:
    """Run a part of the process until it returns. If it fails, start it again after a delay.

    An object that makes one part fail must not end the process: the next leader would fail in the same way.

    Args:
        part: what runs, for the log.
        start: creates the coroutine. It can be called again after a failure.
        failed: receives the part and the error of each failure.
    """
    delay, loop = _FIRST_DELAY, asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            return await start()
        except ENDS:
            raise
        except BaseException as error:
            failed(part, error)
            if loop.time() - began > _LONGEST_DELAY:
                delay = _FIRST_DELAY
            log.exception("a part of the operator failed and is restarted", extra={"part": part, "seconds": delay})
        await asyncio.sleep(delay)
        delay = min(2 * delay, _LONGEST_DELAY)


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
