"""The end of a container: the preStop hook and the termination message."""

import asyncio
import contextlib
from pathlib import Path

from localkube.meta.status import Object
from localkube.node.handlers import HandlerError, HandlerTarget, run_handler
from localkube.node.launch import TERMINATION_LOG
from localkube.node.logs import last_lines
from localkube.node.paths import inside
from localkube.node.process import Process

LOG_BYTES = 4096  # size of the end of the termination log that becomes the message
LAST_LINES = 80  # lines at the end of the log that become the message with FallbackToLogsOnError
LAST_BYTES = 2048


def message(container: Object, rootfs: Path, code: int, log: Path | None) -> str:
    """The termination log; if it is empty, the end of the log after an error, with FallbackToLogsOnError."""
    file = inside(rootfs, container.get("terminationMessagePath") or TERMINATION_LOG)
    with contextlib.suppress(OSError):
        text = file.read_bytes()[-LOG_BYTES:].decode(errors="replace")
        if text:
            return text
    if code and log and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        return last_lines(log, LAST_LINES, LAST_BYTES)
    return ""


async def pre_stop(process: Process, hook: Object, target: HandlerTarget, grace: float) -> None:
    """Run the hook, at most until the process ends. Raises HandlerError on failure."""
    action = asyncio.create_task(run_handler(hook, target, grace))
    ended = asyncio.create_task(process.wait())
    try:
        await asyncio.wait([action, ended], return_when=asyncio.FIRST_COMPLETED)
        if action.done():
            await action
    finally:
        for task in (action, ended):
            task.cancel()
        await asyncio.gather(action, ended, return_exceptions=True)


async def stop(process: Process, hook: Object | None, target: HandlerTarget, grace: float) -> str:
    """Run preStop, send SIGTERM, and SIGKILL after `grace` seconds; returns why the hook failed, or ""."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    problem = ""
    if hook and grace > 0:
        try:
            await pre_stop(process, hook, target, grace)
        except HandlerError as error:
            problem = str(error)
    await process.stop(max(deadline - loop.time(), 0))
    return problem
