"""The clock and deferred work. Tests replace both."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """Format a time as `metav1.Time`: RFC 3339 in whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def later(delay: float, work: Callable[[], None]) -> None:
    """Run `work` on the event loop after `delay` seconds; immediately if no loop runs."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        work()
        return
    loop.call_later(delay, work)
