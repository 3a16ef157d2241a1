"""The watchdog reports what blocks the event loop: how long, in which task, and the stack."""

import asyncio
import logging
import time
from typing import Any

import pytest

from agent_operator.observability.watchdog import _MAX_STACKS, Watchdog
from tests.patience import DEADLINE


def spin(seconds: float) -> None:
    secret = "a value that no log contains"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert secret


def records(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.getMessage().startswith("event loop")]


async def test_a_blocked_loop_is_reported_with_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    durations: list[float] = []
    noticed = asyncio.Event()

    def notice(seconds: float) -> None:
        durations.append(seconds)
        noticed.set()

    asyncio.current_task().set_name("agent team/web")
    with Watchdog(notice):
        spin(0.5)
        async with asyncio.timeout(DEADLINE):
            await noticed.wait()
    assert 0.4 < durations[0] < DEADLINE
    record = records(caplog)[0]
    assert record.task == "agent team/web"
    assert record.seconds > 0.1
    assert record.cpu_seconds >= 0
    assert any("spin" in line for line in record.stack[:3]), record.stack
    assert "a value" not in str(vars(record))


async def test_a_stack_is_logged_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    watchdog = Watchdog(lambda _: None)
    for _ in range(10):
        watchdog._report(0.2, 0.2)
    assert len(records(caplog)) == 1


async def test_few_stacks_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    watchdog = Watchdog(lambda _: None)
    watchdog._logged.update({(str(number),): time.monotonic() for number in range(_MAX_STACKS)})
    watchdog._report(0.2, 0.2)
    assert not records(caplog)
    watchdog._logged.popitem()
    watchdog._report(0.2, 0.2)
    assert len(records(caplog)) == 1


async def test_the_thread_ends_with_the_context() -> None:
    with Watchdog(lambda _: None) as watchdog:
        assert watchdog._thread.is_alive()
    assert not watchdog._thread.is_alive()


@pytest.mark.parametrize(
    ("seconds", "cpu_seconds", "message", "level"),
    [
        (0.2, 0.2, "event loop blocked", logging.WARNING),
        (0.2, 0.01, "event loop waits", logging.INFO),
        (3.0, 0.01, "event loop waits", logging.WARNING),
    ],
)
async def test_a_wait_for_the_node_is_no_warning(
    caplog: pytest.LogCaptureFixture, seconds: float, cpu_seconds: float, message: str, level: int
) -> None:
    caplog.set_level(logging.INFO)
    Watchdog(lambda _: None)._report(seconds, cpu_seconds)
    (record,) = records(caplog)
    assert (record.getMessage(), record.levelno) == (message, level)
