"""When a maintenance window opens."""

from datetime import datetime
from typing import Any

import pytest

from agent_operator.api.v1alpha1.channel import MaintenanceWindow
from agent_operator.fleet.maintenance_window import InvalidWindow, opens_in

HOUR = 3600


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        ("2026-01-05T21:59:00+00:00", 60),
        ("2026-01-05T22:00:00+00:00", 0),
        ("2026-01-05T22:00:30.5+00:00", 0),
        ("2026-01-06T01:59:59+00:00", 0),
        ("2026-01-06T02:00:00+00:00", 20 * HOUR),
        ("2026-01-09T23:00:00+00:00", 0),
        ("2026-01-10T02:00:00+00:00", (2 * 24 + 20) * HOUR),
    ],
    ids=["one minute early", "opens", "first minute", "last second", "closed", "Friday", "weekend"],
)
def test_window_on_weekdays(now: str, seconds: float) -> None:
    window = MaintenanceWindow(cron="0 22 * * 1-5", duration="4h")

    assert opens_in(window, datetime.fromisoformat(now)) == seconds


def test_window_in_a_time_zone() -> None:
    window = MaintenanceWindow(cron="0 22 * * *", duration="1h30m", time_zone="Europe/Berlin")

    assert opens_in(window, datetime.fromisoformat("2026-01-05T21:00:00+00:00")) == 0
    assert opens_in(window, datetime.fromisoformat("2026-07-05T20:00:00+00:00")) == 0
    assert opens_in(window, datetime.fromisoformat("2026-07-05T21:29:59+00:00")) == 0
    assert opens_in(window, datetime.fromisoformat("2026-07-05T21:30:00+00:00")) == 22.5 * HOUR


def test_window_in_the_hour_that_summer_time_skips() -> None:
    """On 29 March 2026, clocks in Berlin go from 02:00 to 03:00."""
    window = MaintenanceWindow(cron="30 2 * * *", duration="1h", time_zone="Europe/Berlin")

    assert opens_in(window, datetime.fromisoformat("2026-03-29T00:30:00+00:00")) <= HOUR


def test_window_longer_than_its_period_is_always_open() -> None:
    window = MaintenanceWindow(cron="0 * * * *", duration="2h")

    assert opens_in(window, datetime.fromisoformat("2026-01-05T21:59:00+00:00")) == 0


@pytest.mark.parametrize("second", range(0, 60, 7))
@pytest.mark.parametrize(
    ("cron", "duration"), [("* * * * *", "1m"), ("* 22-23 * * *", "2h"), ("*/5 * * * *", "5m"), ("59 * * * *", "1h")]
)
def test_last_opening_decides_at_every_second(cron: str, duration: str, second: int) -> None:
    window = MaintenanceWindow(cron=cron, duration=duration)
    midnight = datetime.fromisoformat(f"2026-01-05T00:00:{second:02}.5+00:00")

    # Until 01:59:59, two hours after the last opening at 23:59.
    for minute in (0, 1, 4, 5, 58, 59):
        assert opens_in(window, midnight.replace(hour=23, minute=minute)) == 0
        assert opens_in(window, midnight.replace(hour=1, minute=min(minute, 58))) == 0


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"cron": "99 * * * *"}, "spec.window.cron"),
        ({"cron": "0 0 31 2 *"}, "spec.window.cron"),
        ({"time_zone": "Mars/Olympus"}, "spec.window.timeZone"),
        ({"time_zone": "../etc"}, "spec.window.timeZone"),
    ],
)
def test_invalid_window_names_its_field(changed: dict[str, str], field: str) -> None:
    fields: dict[str, Any] = {"cron": "0 22 * * *", "duration": "1h", "time_zone": None} | changed
    window = MaintenanceWindow.model_construct(**fields)

    with pytest.raises(InvalidWindow, match=field):
        opens_in(window, datetime.fromisoformat("2026-01-05T21:59:00+00:00"))
