"""Probes that ask for a completion: how often, and what their failures mean."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.models import chat_probe
from agent_runtime.models.chat_probe import INTERVAL, INTERVAL_UNHEALTHY, ChatProbe
from tests.clock import ManualClock


class Case:
    """A probe whose calls do what `outcome` says."""

    def __init__(self) -> None:
        self.clock = ManualClock(now=0.0)
        self.calls = 0
        self.outcome: Callable[[], Any] = lambda: None
        self.probe = ChatProbe("m", self._call, self.clock)

    async def _call(self) -> None:
        self.calls += 1
        waiting = self.outcome()
        if waiting is not None:
            await waiting

    async def reason(self, after: float = 0) -> str:
        self.clock.now += after
        try:
            await self.probe.result()
        except UnhealthyError as error:
            return error.reason
        return ""


def failing(problem: Problem) -> Callable[[], None]:
    def fail() -> None:
        raise problem

    return fail


async def test_a_healthy_model_is_called_once_per_interval() -> None:
    case = Case()

    assert [await case.reason(after) for after in (0, 15, INTERVAL - 16)] == ["", "", ""]
    assert case.calls == 1
    assert await case.reason(1) == ""
    assert case.calls == 2


async def test_a_call_of_a_caller_replaces_the_probe() -> None:
    case = Case()
    case.probe.record_success()

    assert await case.reason(INTERVAL - 1) == ""
    assert case.calls == 0


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (Problem(502, "model_credentials_refused", "m: x"), "CredentialsRefused"),
        (Problem(502, "model_not_found_upstream", "m: x"), "ModelUnknown"),
        (Problem(429, "insufficient_quota", "m: x"), "QuotaExhausted"),
        (Problem(504, "model_timeout", "m: x"), "ResponseTimeout"),
        (Problem(502, "model_unavailable", "m: x"), "ServerError"),
        (Problem(400, "model_refused_request", "m: x"), ""),
        (Problem(429, "model_rate_limited", "m: x"), ""),
    ],
)
async def test_a_failure_has_a_reason_and_is_retried_soon(problem: Problem, reason: str) -> None:
    case = Case()
    case.outcome = failing(problem)
    assert await case.reason() == reason
    case.outcome = lambda: None
    assert await case.reason(INTERVAL_UNHEALTHY - 1) == reason
    assert await case.reason(1) == ""


async def test_a_slow_model_is_unhealthy_until_its_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe does not wait for it, and starts no second call."""
    monkeypatch.setattr(chat_probe, "WAIT", 0.01)
    case, answered = Case(), asyncio.Event()
    case.outcome = answered.wait
    assert [await case.reason(), await case.reason()] == ["ResponseTimeout"] * 2
    answered.set()
    await asyncio.sleep(0)
    assert await case.reason() == ""
    assert case.calls == 1


async def test_closing_cancels_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_probe, "WAIT", 0.01)
    case = Case()
    case.outcome = asyncio.Event().wait
    await case.reason()

    await case.probe.aclose()

    assert len(asyncio.all_tasks()) == 1
