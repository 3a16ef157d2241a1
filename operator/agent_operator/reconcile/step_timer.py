"""Measures the CPU time that a coroutine takes in the event loop, without the time in which it waits."""

import time
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class StepTimer(Generic[T]):
    """Awaits a coroutine.

    Attributes:
        longest: CPU time of its longest step between two awaits that wait, in seconds.
        total: CPU time of all steps, in seconds.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self.longest = 0.0
        self.total = 0.0

    def __await__(self) -> Generator[Any, Any, T]:
        """Run the coroutine, and return its result."""
        steps = self._coroutine.__await__()
        advance, argument = steps.send, None
        while True:
            began = time.thread_time()
            try:
                waited_for = advance(argument)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                self._add(time.thread_time() - began)
            advance, argument = steps.send, None
            try:
                yield waited_for
            except BaseException as error:  # noqa: BLE001  (a cancellation, which the coroutine receives)
                advance, argument = steps.throw, error

    def _add(self, seconds: float) -> None:
        self.total += seconds
        self.longest = max(self.longest, seconds)
