"""Who may ask, how often, and when the agent is too busy to listen."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from agent_runtime.errors import Problem

# How often the file of keys is looked at, in seconds.
RELOAD = 1.0
MAX_CLIENTS = 10_000
LAG_INTERVAL = 0.1
# A model takes a second or so: waiting this long for the event loop is not much beside it, twice as long would be.
MAX_LAG = 0.3
# With fewer requests under way the loop is late for another reason, such as a library being loaded.
MIN_REQUESTS = 16

log = logging.getLogger(__name__)


class ApiKeys:
    """The keys in a file, one a line; the file is read again when it changes."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked = float("-inf")
        self._stamp: tuple[int, int, int] | None = None
        self._digests: frozenset[bytes] = frozenset()

    def caller(self, authorization: str) -> str:
        """Who sends this Authorization header: a name that tells nothing of the key.

        Raises:
            Problem: the header holds none of the keys.
        """
        self._reload()
        scheme, _, key = authorization.partition(" ")
        # Digests are compared, so the time that takes says nothing about a key.
        digest = hashlib.sha256(key.strip().encode()).digest()
        if scheme.lower() != "bearer" or digest not in self._digests:
            raise Problem(401, "invalid_api_key", "Send one of the agent's API keys as a bearer token")
        return digest.hex()[:16]

    def _reload(self) -> None:
        if self._clock() - self._looked < RELOAD:
            return
        self._looked = self._clock()
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp == self._stamp:
                return
            lines = self._path.read_bytes().splitlines()
        except OSError as error:
            # The keys known last stay: a Secret that is being replaced must not lock everybody out.
            log.warning("API keys cannot be read", extra={"fields": {"reason": error.strerror}})
            return
        self._stamp = stamp
        self._digests = frozenset(hashlib.sha256(line.strip()).digest() for line in lines if line.strip())
        log.info("API keys read", extra={"fields": {"keys": len(self._digests)}})


class RateLimit:
    """A bucket of requests for each client, refilled evenly: a minute's worth at most."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._clock = clock
        # Client: requests left, and when that was so.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Take a request out of the client's bucket.

        Raises:
            Problem: it is empty; says when the next request is there.
        """
        now = self._clock()
        left, then = self._buckets.pop(client, (self._capacity, now))
        left = min(self._capacity, left + (now - then) * self._capacity / 60)
        self._buckets[client] = (left - 1 if left >= 1 else left, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        if left < 1:
            wait = (1 - left) * 60 / self._capacity
            raise Problem(429, "rate_limit_exceeded", "Too many requests in a minute", retry_after=wait)


class Load:
    """How busy the process is."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._requests = 0
        self._lag = 0.0

    def __enter__(self) -> None:
        """Begin a request.

        Raises:
            Problem: too many are under way, or the event loop does not keep up with them.
        """
        late = self._lag > MAX_LAG and self._requests >= MIN_REQUESTS
        if late or self._requests >= self._most:
            raise Problem(503, "overloaded", "The agent is too busy; another replica may not be", retry_after=1)
        self._requests += 1

    def __exit__(self, *_: object) -> None:
        self._requests -= 1

    async def watch(self) -> None:
        """Measure for ever how late the event loop is."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_INTERVAL
            await asyncio.sleep(LAG_INTERVAL)
            # Smoothed: one slow moment, such as a garbage collection, is no overload.
            self._lag = 0.8 * self._lag + 0.2 * max(0.0, loop.time() - due)


class Gate:
    """What every request for an answer passes."""

    def __init__(self, keys: ApiKeys | None, rate: RateLimit | None, load: Load) -> None:
        self._keys = keys
        self._rate = rate
        self.load = load

    def admit(self, authorization: str, address: str) -> str:
        """Let a request in; who sends it, or nothing when anybody may.

        Raises:
            Problem: it may not come in, or not now.
        """
        caller = self._keys.caller(authorization) if self._keys else ""
        if self._rate is not None:
            self._rate.take(caller or address)
        return caller
