"""A deadline for many short waits."""

import asyncio
from types import TracebackType


class Deadline:
    """Ends the `with` block that is entered when the deadline passes, like asyncio.timeout_at, and all later blocks.

    One timer serves all blocks, one of which is entered at a time. A timer per chunk of a stream would cost more than
    reading the chunk.
    """

    def __init__(self, when: float) -> None:
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._expired = self._cancelled = False
        self._timer = asyncio.get_running_loop().call_at(when, self._expire)

    def __enter__(self) -> None:
        """Enter a block.

        Raises:
            TimeoutError: the deadline has passed.
        """
        if self._expired:
            raise TimeoutError
        task = asyncio.current_task()
        assert task is not None, "a deadline needs a task"  # noqa: S101  (a coroutine always has one)
        self._task, self._cancelling = task, task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if not self._cancelled or task is None:
            return
        self._cancelled = False
        # If something else cancelled the task, too, the cancellation takes precedence.
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def close(self) -> None:
        """Stop the timer: no block follows."""
        self._timer.cancel()

    def _expire(self) -> None:
        self._expired = True
        if self._task is not None:
            self._cancelled = True
            self._task.cancel()
