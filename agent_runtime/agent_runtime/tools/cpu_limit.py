"""A limit on the CPU time of a block of code."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Seconds of CPU time after which the error is raised again.
REPEAT = 0.02


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after it has used this much CPU time. Works only in the main thread."""

    def expire(*_: object) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGVTALRM, expire)
    # Python ignores an exception in a finalizer, so raise again until the block ends.
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, REPEAT)
    try:
        yield
    finally:
        for _ in range(2):
            # The timer may expire once more before it stops.
            with suppress(TimeoutError):
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
                signal.signal(signal.SIGVTALRM, previous)
