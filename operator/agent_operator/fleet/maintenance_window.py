"""Maintenance windows of a channel: whether one is open, and when the next one opens. Pure: the time is an argument."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from agent_operator.api.v1alpha1.channel import MaintenanceWindow

_DURATION_PART = re.compile(r"(\d+)(ms|h|m|s)")
_UNITS = {"h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}


class InvalidWindow(Exception):  # noqa: N818  (reads as a statement)
    """The window can never open. The message names the field and the remedy."""


def opens_in(window: MaintenanceWindow, now: datetime) -> float:
    """Return the seconds until the window opens; 0 while it is open.

    Raises:
        InvalidWindow: the cron expression or the time zone is invalid.
    """
    local = now.astimezone(_zone(window))
    try:
        # The reverse search excludes its start, so it starts with the next minute to include an opening in this one.
        next_minute = local.replace(second=0, microsecond=0) + timedelta(minutes=1)
        last = next(CronSim(window.cron, next_minute, reverse=True), None)
        following = next(CronSim(window.cron, local), None)
    except CronSimError as error:
        raise InvalidWindow(f"spec.window.cron: {window.cron!r} is no cron expression: {error}: correct it") from None
    if last is not None and timedelta(0) <= now - last.astimezone(UTC) < _parse_duration(window.duration):
        return 0.0
    if following is None:
        raise InvalidWindow(f"spec.window.cron: {window.cron!r} matches no date: correct it")
    return (following.astimezone(UTC) - now).total_seconds()


def _zone(window: MaintenanceWindow) -> ZoneInfo:
    name = window.time_zone or "UTC"
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidWindow(
            f"spec.window.timeZone: {name!r} is no known time zone: use a name such as Europe/Berlin"
        ) from None


def _parse_duration(text: str) -> timedelta:
    parts = _DURATION_PART.findall(text)
    return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
