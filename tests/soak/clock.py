"""An event loop whose clock leaps over every wait, so that hours pass in seconds.

All that runs on it, operator, kopf, aiohttp and the local cluster, keeps its real periods and timeouts. Time passes
only while everything waits: how slow the machine is changes nothing.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

_Result = TypeVar("_Result")
Args = TypeVarTuple("Args")
# Real seconds in which what was sent over loopback arrives.
_UNDER_WAY = 0.00005
_THREAD_STEP = 0.01
_TICK = 1e-6


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        # A timer fires up to the clock's resolution too early: who then looks at the clock must see it move.
        self.now += _TICK
        if ready or timeout == 0:
            return ready
        if timeout is None or self.threads:
            # Only a thread or another process can go on.
            return super().select(timeout if timeout is None else min(timeout, _THREAD_STEP))
        # Not the selector's own timeout: epoll rounds it up to a millisecond.
        time.sleep(_UNDER_WAY)
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._leaping = _Selector()
        super().__init__(self._leaping)

    def time(self) -> float:
        """Seconds since the loop was made, by its own clock."""
        return self._leaping.now

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run it in a thread. Until it ends the clock stands still."""
        future = super().run_in_executor(executor, func, *args)
        self._leaping.threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: object) -> None:
        self._leaping.threads -= 1


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine on such a loop."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(main)
