"""Refuses the writes of a process that may no longer be the leader.

Another replica acquires a Lease that was not renewed for 15 s. A process can miss that: its event loop was blocked, or
the machine was suspended. So the transport asks the fence before each write, and only the clock decides.
"""

import time
from collections.abc import Callable

import aiohttp

from agent_operator.kube.transport import ApiError

# Reason of the ApiError of a refused write.
NOT_LEADING = "NotLeading"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def boot_time() -> float:
    """Return a monotonic time in seconds that advances while the machine is suspended, if the platform has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Fence:
    """Open for some seconds after each renewal of the Lease. The thread of the Lease extends it; all threads read it.

    Attributes:
        clock: the clock of `open_until`.
    """

    def __init__(self, clock: Callable[[], float] = boot_time) -> None:
        self.clock = clock
        self._open_until = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether this process may write."""
        return self.clock() < self._open_until

    def open_until(self, time: float) -> None:
        """Allow writes until a time of the clock."""
        self._open_until = time

    def close(self) -> None:
        """Refuse all further writes."""
        self._open_until = float("-inf")

    async def middleware(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Refuse a write while the fence is closed, as the innermost client middleware of aiohttp.

        Raises:
            ApiError: the request would write, and this process may not be the leader.
        """
        if request.method not in _READS and not self.is_open:
            raise ApiError(0, NOT_LEADING, "this replica has not renewed its Lease, so another one may lead")
        return await handler(request)
