"""A circuit breaker: calls of a model that keeps failing are refused for a while."""

import time
from collections.abc import Callable

FAILURES = 5
PAUSE = 10.0


class Breaker:
    """Opens after FAILURES consecutive failures. After PAUSE seconds one call may try, and its result decides."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._closes = 0.0

    @property
    def wait(self) -> float:
        """Seconds until a call may try; 0 if it may try now."""
        if self._failures < FAILURES:
            return 0.0
        return max(0.0, self._closes - self._clock())

    def begin(self) -> None:
        """Record that a call starts. While the breaker is open, all other calls wait for another PAUSE."""
        if self._failures >= FAILURES:
            self._closes = self._clock() + PAUSE

    def succeeded(self) -> None:
        """Record that a call succeeded, which closes the breaker."""
        self._failures = 0

    def failed(self) -> None:
        """Record that a call failed."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._closes = self._clock() + PAUSE
