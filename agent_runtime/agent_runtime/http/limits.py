"""Limits on requests: rate limit and load shedding."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from agent_runtime.errors import Problem
from agent_runtime.http.callers import Callers
from agent_runtime.http.client_address import subscriber

MAX_CLIENTS = 10_000
LAG_INTERVAL = 0.1
# Seconds of lag of the event loop. Callers tolerate this lag, because a model takes about a second, but not much more.
MAX_LAG = 0.3
# With fewer requests in flight, the lag has another cause, such as the import of a library.
MIN_REQUESTS = 16
# Bytes of all large bodies in flight. A body takes four times as much memory, because it is parsed and sent to a model.
MAX_BODIES_BYTES = 64 * 1024 * 1024

log = logging.getLogger(__name__)


class RateLimit:
    """A token bucket per client. It holds the requests of one minute and refills evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._clock = clock
        # Client -> (available requests, time of that count).
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Take one request out of the client's bucket.

        Raises:
            Problem: the bucket is empty. Its retry_after is the time until the next request.
        """
        now = self._clock()
        available, counted_at = self._buckets.pop(client, (self._capacity, now))
        available = min(self._capacity, available + (now - counted_at) * self._capacity / 60)
        self._buckets[client] = (available - 1 if available >= 1 else available, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        if available < 1:
            wait = (1 - available) * 60 / self._capacity
            detail = f"More than {self._capacity:g} requests per minute: retry later"
            raise Problem(429, "rate_limit_exceeded", detail, retry_after=wait)


class Load:
    """Requests in flight and lag of the event loop. Refuses requests if either is too high."""

    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._requests = 0
        self._body_bytes = 0
        self._lag = 0.0

    def __enter__(self) -> None:
        """Start a request.

        Raises:
            Problem: too many requests are in flight, or the event loop does not keep up with them.
        """
        lagging = self._lag > MAX_LAG and self._requests >= MIN_REQUESTS
        if lagging or self._requests >= self._max_requests:
            detail = "The agent has too many requests in flight: retry, another replica may be free"
            raise Problem(503, "overloaded", detail, retry_after=1)
        self._requests += 1

    def reserve_body(self, size: int) -> None:
        """Reserve memory for a part of a body, until release_body().

        Raises:
            Problem: the bodies in flight are too large together.
        """
        # The first body may have any size that the limit for one body allows.
        if self._body_bytes and self._body_bytes + size > MAX_BODIES_BYTES:
            detail = "The agent has too many large requests in flight: retry, another replica may be free"
            raise Problem(503, "overloaded", detail, retry_after=1)
        self._body_bytes += size

    def release_body(self, size: int) -> None:
        """Release what reserve_body() reserved for a request."""
        self._body_bytes -= size

    def __exit__(self, *_: object) -> None:
        self._requests -= 1

    async def watch(self) -> None:
        """Measure the lag of the event loop in a loop that never returns."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_INTERVAL
            await asyncio.sleep(LAG_INTERVAL)
            # Smooth the lag, because a single pause, such as a garbage collection, is no overload.
            self._lag = 0.8 * self._lag + 0.2 * max(0.0, loop.time() - due)


class Gate:
    """Admits requests that ask the agent for an answer."""

    def __init__(self, callers: Callers, rate: RateLimit | None, load: Load) -> None:
        self.callers = callers
        self._rate = rate
        self.load = load

    async def admit(self, authorization: str, address: str) -> str:
        """Admit a request; return the name of its caller, or "" if the agent identifies no callers.

        Raises:
            Problem: the key or token is missing or wrong, or the caller exceeds its rate.
        """
        caller = await self.callers.name(authorization)
        if self._rate is not None:
            self._rate.take(caller or subscriber(address))
        return caller
