"""A circuit breaker: a model that keeps failing is left alone for a while."""

import time
from collections.abc import Callable

FAILURES = 5
PAUSE = 10.0


class Breaker:
    """Opens after FAILURES failures in a row; after PAUSE seconds one call may try, and its outcome decides."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._closes = 0.0

    @property
    def wait(self) -> float:
        """Seconds until a call may try; 0 when it may now."""
        if self._failures < FAILURES:
            return 0.0
        return max(0.0, self._closes - self._clock())

    def begin(self) -> None:
        """A call tries: while the breaker is open it is the only one, until the next pause is over."""
        if self._failures >= FAILURES:
            self._closes = self._clock() + PAUSE

    def succeeded(self) -> None:
        """The model is well."""
        self._failures = 0

    def failed(self) -> None:
        """The model failed once more."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._closes = self._clock() + PAUSE
