"""Log lines are limited per agent and per namespace."""

import logging
from typing import Any

import pytest

from agent_operator.observability import rate_limit
from agent_operator.observability.rate_limit import LogLimit, RateLimit
from tests.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def record(level: int = logging.WARNING, **extra: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "agent_operator", "levelno": level, "msg": "pass failed"} | extra)


def logged(limit: LogLimit, *agents: str, level: int = logging.WARNING) -> int:
    return sum(limit.filter(record(level, agent=agent)) for agent in agents)


def test_an_agent_that_fails_all_the_time_does_not_hide_others(clock: ManualClock) -> None:
    limit = LogLimit(clock)
    assert logged(limit, *["ns/noisy"] * 1000) == 20
    assert logged(limit, "ns/quiet", "other/quiet") == 2
    assert limit.filter(record())


def test_the_next_line_has_the_number_of_dropped_ones(clock: ManualClock) -> None:
    limit = LogLimit(clock)
    logged(limit, *["ns/noisy"] * 50)
    clock.now = 10.0
    following = record(agent="ns/noisy")
    assert limit.filter(following)
    assert following.suppressed == 30  # type: ignore[attr-defined]


def test_many_failing_agents_of_a_namespace_do_not_flood_the_log(clock: ManualClock) -> None:
    limit = LogLimit(clock)
    assert logged(limit, *(f"ns/{index}" for index in range(800))) == 100
    assert logged(limit, "other/a") == 1


def test_information_about_many_agents_is_not_dropped(clock: ManualClock) -> None:
    """--read-only reports each agent that it would change."""
    assert logged(LogLimit(clock), *(f"ns/{index}" for index in range(800)), level=logging.INFO) == 800


def test_records_of_kopf_are_limited_by_their_object(clock: ManualClock) -> None:
    limit = LogLimit(clock)
    reference = {"namespace": "ns", "name": "noisy"}
    assert sum(limit.filter(record(k8s_ref=reference)) for _ in range(100)) == 20


def test_the_number_of_keys_is_bounded(clock: ManualClock) -> None:
    limit = RateLimit(clock, 1, 60.0)
    for key in range(3 * rate_limit._MAX_KEYS):
        assert limit.take(key) == 0
    assert len(limit._buckets) == rate_limit._MAX_KEYS
