"""CPU time of the event loop's thread: what a pass takes between two awaits, and what a function takes."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.reconcile.context import Result
from agent_operator.reconcile.step_timer import StepTimer
from agent_operator.sandbox.sandbox import Sandbox
from tests.memory_api import MemoryApi, Object, wire

# What the event loop may be blocked at most, in seconds. A tracer, such as that of coverage, slows the code down.
LIMIT = 0.1 if sys.gettrace() is None else 1.0
_ATTEMPTS = 5
# Seconds before another attempt. A virtual machine counts time for which its host had no CPU for it.
_PAUSE = 0.5


class AsynchronousApi(MemoryApi):
    """Lets the event loop run during each request, as a real one does."""

    async def request(self, method: str, path: str, *, body: Any = None, **options: Any) -> Object:
        await asyncio.sleep(0)
        return await super().request(method, path, body=body, **options)


async def longest_step(agent: Object, sandbox: Sandbox, limit: float = LIMIT) -> tuple[float, Result, AsynchronousApi]:
    """Reconcile a new agent; return the longest step, the result and the API server.

    A step that exceeds the limit is measured again, because a garbage collection of the tests may be in it.
    """
    loop = asyncio.get_running_loop()
    shortest = float("inf")
    meta = agent["metadata"]
    for _ in range(_ATTEMPTS):
        api, store = AsynchronousApi(agent), Store(loop.time)
        reconciler = wire(api, store, loop, sandbox=sandbox)
        began = time.thread_time()
        store.observe_agent("ADDED", agent)
        observed = time.thread_time() - began
        timer = StepTimer(reconciler.reconcile(Key(meta["namespace"], meta["name"])))
        result = await timer
        shortest = min(shortest, max(timer.longest, observed))
        if shortest <= limit:
            break
        await asyncio.sleep(_PAUSE)
    return shortest, result, api


def cpu_seconds(function: Callable[[], object], limit: float = LIMIT) -> float:
    """Return the CPU time of a function: the shortest of some attempts, unless the first is within the limit."""
    shortest = float("inf")
    for _ in range(_ATTEMPTS):
        began = time.thread_time()
        function()
        shortest = min(shortest, time.thread_time() - began)
        if shortest <= limit:
            break
        time.sleep(_PAUSE)
    return shortest
