"""A deadline for many short waits."""

import asyncio
from types import TracebackType


class Deadline:
    """Ends what is awaited in `with` blocks when the time comes, like asyncio.timeout_at, and all that come after.

    One timer serves all blocks, one of which is entered at a time: a timer for each chunk of a stream costs more than
    to read the chunk.
    """

    def __init__(self, when: float) -> None:
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._over = self._cancelled = False
        self._timer = asyncio.get_running_loop().call_at(when, self._end)

    def __enter__(self) -> None:
        """Begin to wait.

        Raises:
            TimeoutError: the time is over.
        """
        if self._over:
            raise TimeoutError
        task = asyncio.current_task()
        assert task is not None, "used by tasks only"  # noqa: S101  (a coroutine always has one)
        self._task, self._cancelling = task, task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if not self._cancelled or task is None:
            return
        self._cancelled = False
        # Somebody else may have cancelled the task as well: then that is what happened.
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def close(self) -> None:
        """There is nothing more to wait for."""
        self._timer.cancel()

    def _end(self) -> None:
        self._over = True
        if self._task is not None:
            self._cancelled = True
            self._task.cancel()
