"""The health of a model, from its probes and its calls."""

from collections.abc import AsyncGenerator

import pytest

from agent_runtime.health import UnhealthyError
from agent_runtime.models.base import Json
from agent_runtime.models.call_record import REPORTED_SECONDS, CallRecord, ModelHealth
from tests.clock import ManualClock


class Probed:
    """A model whose probe raises `fault` if it is set."""

    name = "m"

    def __init__(self) -> None:
        self.fault = ""

    async def complete(self, _: Json) -> Json:
        raise AssertionError

    async def stream(self, _: Json) -> AsyncGenerator[bytes, None]:
        raise AssertionError
        yield b""

    async def probe(self) -> Json:
        if self.fault:
            raise UnhealthyError("why", self.fault)
        return {}

    async def aclose(self) -> None:
        """Nothing to close."""


class Case:
    def __init__(self) -> None:
        self.clock = ManualClock(now=100.0)
        self.model, self.record = Probed(), CallRecord(self.clock)
        self.health = ModelHealth(self.model, self.record)

    async def reason(self) -> str:
        """Return the reason of a probe; empty if the model is healthy. A second passes before."""
        self.clock.now += 1
        try:
            await self.health.probe()
        except UnhealthyError as error:
            return error.reason
        return ""


@pytest.mark.parametrize("fault", ["CredentialsRefused", "ServerError", "ResponseTimeout"])
async def test_a_success_after_the_fault_of_a_probe_overrides_it(fault: str) -> None:
    case = Case()
    case.record.succeeded()
    case.model.fault = fault
    assert await case.reason() == fault
    case.clock.now += 1
    case.record.succeeded()
    assert await case.reason() == ""
    case.record.failed("why")
    assert await case.reason() == fault


async def test_a_new_fault_of_a_probe_counts_again() -> None:
    case = Case()
    case.model.fault = "CredentialsRefused"
    await case.reason()
    case.clock.now += 1
    case.record.succeeded()
    assert await case.reason() == ""
    case.model.fault = "ServerError"
    assert await case.reason() == "ServerError"


async def test_a_server_that_cannot_be_reached_is_unhealthy_whatever_calls_did() -> None:
    case = Case()
    case.model.fault = "ConnectionRefused"
    await case.reason()
    case.record.succeeded()
    assert await case.reason() == "ConnectionRefused"


async def test_a_failed_call_is_reported_until_a_call_succeeds_or_for_a_while() -> None:
    case = Case()
    case.record.failed("why")
    assert await case.reason() == "CallsFail"
    case.record.succeeded()
    assert await case.reason() == ""
    case.record.failed("why")
    case.clock.now += REPORTED_SECONDS
    assert await case.reason() == ""
