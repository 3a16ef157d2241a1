"""An event loop whose clock skips every wait, so that hours pass in seconds.

The operator, kopf, aiohttp and the local cluster keep their real periods and timeouts on it. Time passes only while
everything waits, so the speed of the machine does not matter. While the operator waits for its worker process, time
passes as it does in reality, because the loop cannot know whether that process works.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

import pytest

from agent_operator.manager import manager as managers
from agent_operator.observability.watchdog import Watchdog
from agent_operator.sandbox.process import WorkerProcess

_Result = TypeVar("_Result")
Args = TypeVarTuple("Args")
# Real seconds that data takes over loopback.
_UNDER_WAY = 0.00005
_THREAD_STEP = 0.01
_TICK = 1e-6
# Of the watchdog, which finds nothing on a simulated clock. Its 20 beats per second would be most steps of the loop.
_WATCHDOG_INTERVAL = 60.0


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0
        self.processes = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        # A timer fires early by up to the resolution of the clock. Its callback must see a later time.
        self.now += _TICK
        if ready or timeout == 0:
            return ready
        if timeout is None or self.threads:
            # Only a thread or another process can make progress.
            return super().select(timeout if timeout is None else min(timeout, _THREAD_STEP))
        if self.processes:
            began = time.monotonic()
            ready = super().select(min(timeout, _THREAD_STEP))
            self.now += time.monotonic() - began
            return ready
        # Not the timeout of the selector: epoll rounds it up to a millisecond.
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
        """Seconds since the loop was created, by its simulated clock."""
        return self._leaping.now

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run a function in a thread. The clock does not advance until it ends."""
        future = super().run_in_executor(executor, func, *args)
        self._leaping.threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    @contextmanager
    def real_time(self) -> Iterator[None]:
        """Let the time pass as it does in reality while the block runs."""
        self._leaping.processes += 1
        try:
            yield
        finally:
            self._leaping.processes -= 1

    def _thread_ended(self, _: object) -> None:
        self._leaping.threads -= 1


@contextmanager
def simulated_clock() -> Iterator[asyncio.Runner]:
    """Yield a runner of coroutines on a loop with a simulated clock."""
    call = WorkerProcess.call

    async def called(process: WorkerProcess, kind: str, payload: Any) -> tuple[Any, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, LeapingLoop)
        with loop.real_time():
            return await call(process, kind, payload)

    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=LeapingLoop) as runner:
        patch.setattr(WorkerProcess, "call", called)
        patch.setattr(managers, "Watchdog", partial(Watchdog, interval=_WATCHDOG_INTERVAL))
        yield runner


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine on a loop with a simulated clock."""
    with simulated_clock() as runner:
        return runner.run(main)
