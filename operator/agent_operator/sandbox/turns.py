"""The order in which namespaces use the worker process: the one that has used the least CPU time is next."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

# Seconds of CPU time per second by which the use of a namespace is forgotten.
_FORGOTTEN_PER_SECOND = 0.1
# A namespace that has used this many seconds waits until it is below again. The sum of all is below one core.
MAX_USED_SECONDS = 3.0
# A namespace that has used more than this may have only one request at a time, so that it holds few workers.
_EXPENSIVE_SECONDS = 0.3
_FORGET_NAMESPACES_ABOVE = 1_000


class NoTurnError(Exception):
    """A namespace has used its share of the worker process."""


class Turns:
    """One turn at a time. A namespace that waits has its turn after at most the turn that is in progress.

    This holds unless other namespaces that wait have used even less.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._used: dict[str, tuple[float, float]] = {}
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._current: str | None = None

    def used(self, namespace: str) -> float:
        """Return the seconds of CPU time that a namespace has used in the last time."""
        seconds, since = self._used.get(namespace, (0.0, 0.0))
        return max(0.0, seconds - (self._clock() - since) * _FORGOTTEN_PER_SECOND)

    def charge(self, namespace: str, seconds: float) -> None:
        """Add CPU time to what a namespace has used."""
        if len(self._used) > _FORGET_NAMESPACES_ABOVE:
            self._used = {name: entry for name, entry in self._used.items() if self.used(name)}
        self._used[namespace] = (self.used(namespace) + seconds, self._clock())

    @asynccontextmanager
    async def turn(self, namespace: str) -> AsyncIterator[None]:
        """Wait for a turn, which lasts as long as the context.

        Raises:
            NoTurnError: the namespace has used its share.
        """
        used = self.used(namespace)
        active = [name for name, _ in self._waiting] + [self._current]
        if used > MAX_USED_SECONDS or (used > _EXPENSIVE_SECONDS and namespace in active):
            raise NoTurnError
        if self._current is None:
            self._current = namespace
        else:
            await self._wait(namespace)
        try:
            yield
        finally:
            self._next()

    async def _wait(self, namespace: str) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((namespace, future))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._next()
            else:
                self._waiting.remove((namespace, future))
            raise

    def _next(self) -> None:
        self._current = None
        if self._waiting:
            entry = min(self._waiting, key=lambda entry: self.used(entry[0]))
            self._waiting.remove(entry)
            self._current = entry[0]
            entry[1].set_result(None)
