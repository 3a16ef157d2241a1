"""Time and deferred work, both replaceable in tests."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """`metav1.Time`: RFC 3339 with seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def later(delay: float, work: Callable[[], None]) -> None:
    """Run `work` on the running event loop after `delay` seconds; at once where no loop runs."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        work()
        return
    loop.call_later(delay, work)
