"""Reports what blocks the event loop: a metric with each duration, and a log record with the stack.

A timer of the loop notes the time of each beat. A thread looks at it, so that it sees the stack while the loop is
blocked. Both wake up 20 times per second, which takes 0.2 % of one core.
"""

import asyncio
import logging
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from types import FrameType
from typing import Self

log = logging.getLogger(__name__)

BLOCKED_SECONDS = 0.1
"""A loop that has not run for longer is blocked."""
_INTERVAL = 0.05
_LONG_SECONDS = 1.0
_SHOWN_FRAMES = 25
# A stack is logged once in this time, and at most so many in all: on an overloaded node, any code seems to block.
_LOG_AGAIN_SECONDS = 300.0
_MAX_STACKS = 20

Stack = tuple[str, ...]


class Watchdog:
    """Watches the running event loop, as a context manager. `on_blocked` gets each duration in seconds, in the loop."""

    def __init__(self, on_blocked: Callable[[float], None], *, interval: float = _INTERVAL) -> None:
        self._on_blocked = on_blocked
        self._interval = interval
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._cpu_clock = time.pthread_getcpuclockid(self._loop_thread)
        self._beat_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._logged: OrderedDict[Stack, float] = OrderedDict()

    def __enter__(self) -> Self:
        """Start to watch."""
        self._beat_at = time.monotonic()
        self._timer = self._loop.call_later(self._interval, self._beat)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the timer and the thread."""
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()
        self._thread.join()

    def _beat(self) -> None:
        now = time.monotonic()
        blocked = now - self._beat_at - self._interval
        self._beat_at = now
        self._timer = self._loop.call_later(self._interval, self._beat)
        if blocked > BLOCKED_SECONDS:
            self._on_blocked(blocked)

    def _watch(self) -> None:
        """Log the stack once for each time that the loop is blocked."""
        reported, beat, cpu = 0.0, self._beat_at, self._cpu_seconds()
        while not self._stopped.wait(self._interval):
            if self._beat_at != beat:
                beat, cpu = self._beat_at, self._cpu_seconds()
            elif time.monotonic() - beat - self._interval > BLOCKED_SECONDS and beat != reported:
                reported = beat
                self._report(time.monotonic() - beat - self._interval, self._cpu_seconds() - cpu)

    def _report(self, seconds: float, cpu_seconds: float) -> None:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  (the documented way to see another thread)
        stack = _summary(frame)
        now = time.monotonic()
        if now - self._logged.get(stack, -_LOG_AGAIN_SECONDS) < _LOG_AGAIN_SECONDS:
            return
        self._logged = OrderedDict(
            (known, since) for known, since in self._logged.items() if now - since < _LOG_AGAIN_SECONDS
        )
        if len(self._logged) >= _MAX_STACKS:
            return
        self._logged[stack] = now
        task = asyncio.current_task(self._loop)
        extra = {
            "seconds": round(seconds, 3),
            "cpu_seconds": round(cpu_seconds, 3),
            "task": task.get_name() if task else None,
            "stack": stack,
        }
        # With little CPU time, the loop waits for IO, the GIL or, most likely, a CPU of the node.
        used_cpu = cpu_seconds >= BLOCKED_SECONDS / 2
        message = "event loop blocked" if used_cpu else "event loop waits"
        log.log(logging.WARNING if used_cpu or seconds >= _LONG_SECONDS else logging.INFO, message, extra=extra)

    def _cpu_seconds(self) -> float:
        """Return the CPU time of the loop's thread."""
        return time.clock_gettime(self._cpu_clock)


def _summary(frame: FrameType | None) -> Stack:
    """Return the innermost frames, innermost first, without values."""
    found: list[str] = []
    while frame is not None and len(found) < _SHOWN_FRAMES:
        found.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}")
        frame = frame.f_back
    return tuple(found)
