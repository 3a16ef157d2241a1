"""Maintenance windows: when they are open, and when the next one opens. Pure: the time is an argument."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from agent_operator.api.v1alpha1.channel import MaintenanceWindow

_PARTS = re.compile(r"(\d+)(ms|h|m|s)")
_UNITS = {"h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}


class InvalidWindow(Exception):  # noqa: N818  (says what it is)
    """The window can never open; the message says why and what to do."""


def opens_in(window: MaintenanceWindow, now: datetime) -> float:
    """Return in how many seconds the window is open; 0: now.

    Raises:
        InvalidWindow: its cron expression or its time zone cannot be.
    """
    local = now.astimezone(_zone(window))
    try:
        # It goes back from a moment before this one, and an opening at this very minute counts.
        last = next(CronSim(window.cron, local + timedelta(minutes=1), reverse=True), None)
        following = next(CronSim(window.cron, local), None)
    except CronSimError as error:
        raise InvalidWindow(f"spec.window.cron {window.cron!r}: {error}: correct it") from None
    if last is not None and timedelta(0) <= now - last.astimezone(UTC) < _length(window.duration):
        return 0.0
    if following is None:
        raise InvalidWindow(f"spec.window.cron {window.cron!r}: there is no such day: correct it")
    return (following.astimezone(UTC) - now).total_seconds()


def _zone(window: MaintenanceWindow) -> ZoneInfo:
    name = window.time_zone or "UTC"
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidWindow(f"spec.window.timeZone {name!r} is not known: use a name such as Europe/Berlin") from None


def _length(duration: str) -> timedelta:
    return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in _PARTS.findall(duration)), timedelta())
