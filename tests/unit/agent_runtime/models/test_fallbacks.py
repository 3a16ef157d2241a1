"""Retries, fallbacks and deadlines of calls, with scripted models."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.metrics import Metrics
from agent_runtime.models import fallbacks as module
from agent_runtime.models.base import Json
from agent_runtime.models.breaker import FAILURES
from agent_runtime.models.fallbacks import Calls


def problem(status: int, code: str, wait: float | None = None) -> Problem:
    problem = Problem(status, code, "detail", retry_after=2)
    problem.wait = wait
    return problem


class Scripted:
    """A model with a list of outcomes: an exception, seconds to sleep, or a chunk."""

    def __init__(self, name: str, *outcomes: Problem | float | bytes) -> None:
        self.name = name
        self.outcomes = list(outcomes)
        self.calls = 0
        self.closed = 0

    async def complete(self, request: Json) -> Json:
        self.calls += 1
        await self._next()
        return {"by": self.name}

    async def stream(self, request: Json) -> AsyncGenerator[bytes, None]:
        self.calls += 1
        try:
            while self.outcomes:
                yield await self._next()
        finally:
            self.closed += 1

    async def probe(self) -> Json:
        return {}

    async def aclose(self) -> None:
        """Nothing to close."""

    async def _next(self) -> bytes:
        outcome = self.outcomes.pop(0) if self.outcomes else b"chunk"
        if isinstance(outcome, Problem):
            raise outcome
        if isinstance(outcome, float):
            await asyncio.sleep(outcome)
            return b"late"
        return outcome


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF", (0.0, 0.0))


def calling(*models: Scripted, request_timeout: float = 0) -> Calls:
    """Calls of the first model, with the others as fallbacks."""
    names = [model.name for model in models[1:]]
    return Calls({model.name: model for model in models}, names, Metrics("1", ""), request_timeout)


def soon(seconds: float = 5) -> float:
    return asyncio.get_running_loop().time() + seconds


async def read(stream: AsyncGenerator[bytes, None]) -> list[bytes]:
    return [chunk async for chunk in stream]


@pytest.mark.parametrize("code", ["model_unavailable", "model_unreachable", "model_bad_response"])
async def test_a_temporary_error_is_retried_twice(code: str) -> None:
    model = Scripted("a", problem(502, code), problem(502, code))

    assert await calling(model).complete("a", {}, soon()) == ("a", {"by": "a"})
    assert model.calls == 3


@pytest.mark.parametrize(
    "raised", [problem(400, "content_filter"), problem(502, "model_credentials_refused"), problem(504, "model_timeout")]
)
async def test_a_permanent_error_is_not_retried(raised: Problem) -> None:
    model = Scripted("a", raised)

    with pytest.raises(Problem):
        await calling(model).complete("a", {}, soon())

    assert model.calls == 1


async def test_a_short_retry_after_is_waited_for_and_a_long_one_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    short, long = (Scripted("a", problem(429, "model_rate_limited", wait)) for wait in (1, 60))

    await calling(short).complete("a", {}, soon())
    with pytest.raises(Problem):
        await calling(long).complete("a", {}, soon())

    assert waits == [1]
    assert long.calls == 1


async def test_no_retry_when_the_wait_exceeds_the_deadline() -> None:
    model = Scripted("a", problem(429, "model_rate_limited", 1))

    with pytest.raises(Problem):
        await calling(model).complete("a", {}, soon(0.5))

    assert model.calls == 1


async def test_the_deadline_ends_a_call() -> None:
    with pytest.raises(Problem) as raised:
        await calling(Scripted("a", 60.0)).complete("a", {}, soon(0.01))

    assert (raised.value.status, raised.value.code) == (504, "model_timeout")


@pytest.mark.parametrize(("code", "reason"), [("content_filter",) * 2, ("invented_code", "model_refused_request")])
async def test_metrics_count_unknown_codes_as_one_reason(code: str, reason: str) -> None:
    """A model's server may send any number of codes. Callers get them as they are."""
    metrics = Metrics("1", "")
    called = Calls({"a": Scripted("a", problem(400, code))}, [], metrics)

    with pytest.raises(Problem) as raised:
        await called.complete("a", {}, soon())

    assert raised.value.code == code
    assert f'agent_model_errors_total{{model="a",reason="{reason}"}} 1.0' in metrics.exposition("")[0].decode()


async def test_fallbacks_answer_in_order_while_a_model_is_down() -> None:
    down = [problem(502, "model_credentials_refused")]
    one, two, three = Scripted("a", *down), Scripted("b", *down), Scripted("c")

    assert await calling(one, two, three).complete("a", {}, soon()) == ("c", {"by": "c"})


async def test_a_refused_request_does_not_go_to_a_fallback() -> None:
    """A refused request is an error of the caller, so a fallback would refuse it, too."""
    other = Scripted("b")

    with pytest.raises(Problem, match="detail"):
        await calling(Scripted("a", problem(400, "content_filter")), other).complete("a", {}, soon())

    assert other.calls == 0


async def test_a_failing_model_gets_no_more_calls() -> None:
    """Callers get 503 at once, with Retry-After."""
    model = Scripted("a", *[problem(502, "model_credentials_refused")] * 50)
    called = calling(model)
    for _ in range(FAILURES):
        with pytest.raises(Problem):
            await called.complete("a", {}, soon())

    with pytest.raises(Problem) as raised:
        await called.complete("a", {}, soon())

    assert (raised.value.status, raised.value.code) == (503, "model_circuit_open")
    assert raised.value.retry_after is not None
    assert raised.value.retry_after > 0
    assert model.calls == FAILURES


async def test_a_stream_is_retried_only_before_its_first_chunk() -> None:
    model = Scripted("a", problem(502, "model_unavailable"), b"1", b"2", problem(502, "model_bad_response"))
    _, stream = await calling(model).stream("a", {}, soon())

    assert await anext(stream) == b"1"
    assert await anext(stream) == b"2"
    with pytest.raises(Problem):
        await anext(stream)

    assert model.calls == 2
    assert model.closed == 2


async def test_an_empty_stream_goes_to_the_fallback() -> None:
    name, stream = await calling(Scripted("a"), Scripted("b", b"1")).stream("a", {}, soon())

    assert (name, await read(stream)) == ("b", [b"1"])


async def test_the_deadline_ends_a_stream_after_its_first_chunk() -> None:
    _, stream = await calling(Scripted("a", b"1", 60.0)).stream("a", {}, soon(0.05))

    assert await anext(stream) == b"1"
    with pytest.raises(Problem) as raised:
        await anext(stream)
    assert raised.value.code == "model_timeout"


async def test_closing_a_stream_closes_the_stream_of_the_model() -> None:
    """The model then stops generating."""
    model = Scripted("a", b"1", b"2")
    _, stream = await calling(model).stream("a", {}, soon())
    await anext(stream)

    await stream.aclose()

    assert model.closed == 1


@pytest.mark.parametrize("number", [1, 2])
async def test_models_share_the_time_of_a_request(number: int) -> None:
    """However many models hang, the last one gets its share."""
    hanging = [Scripted(f"h{index}", 60.0) for index in range(number)]

    assert (await calling(*hanging, Scripted("b")).complete("h0", {}, soon(0.3)))[0] == "b"


async def test_the_time_of_a_model_whose_circuit_is_open_goes_to_the_others() -> None:
    down, hanging = Scripted("a", *[problem(502, "model_credentials_refused")] * FAILURES), Scripted("b", 0.2)
    called = calling(down, hanging)
    for _ in range(FAILURES):
        await called.complete("a", {}, soon())

    hanging.outcomes = [0.2]
    assert (await called.complete("a", {}, soon(0.3)))[0] == "b"


async def test_a_model_that_got_no_time_is_not_blamed() -> None:
    """Tools or earlier models may have used the time of the request."""
    model = Scripted("a", *[60.0] * 50)
    called = calling(model, request_timeout=10)
    for _ in range(2 * FAILURES):
        with pytest.raises(Problem, match="did not answer in time"):
            await called.complete("a", {}, soon(0.01))
    assert await called.components()["a"].probe() == {}

    with pytest.raises(Problem, match="did not answer in time"):
        await called.complete("a", {}, soon(0.01))


async def test_a_model_that_had_its_time_is_blamed() -> None:
    called = calling(Scripted("a", *[60.0] * 50), request_timeout=0.02)
    for _ in range(FAILURES):
        with pytest.raises(Problem, match="did not answer in time"):
            await called.complete("a", {}, soon(0.02))

    with pytest.raises(Problem, match="calls are paused"):
        await called.complete("a", {}, soon(0.02))
    with pytest.raises(UnhealthyError, match="the last call failed: the model did not answer in time"):
        await called.components()["a"].probe()


async def test_a_stream_that_lasts_until_the_deadline_is_no_failure_of_the_model() -> None:
    called = calling(Scripted("a", b"1", 60.0))
    _, stream = await called.stream("a", {}, soon(0.05))

    with pytest.raises(Problem):
        await read(stream)

    assert await called.components()["a"].probe() == {}


@pytest.mark.parametrize("code", ["context_length_exceeded", "model_request_too_large"])
async def test_a_request_that_is_too_long_goes_to_a_fallback(code: str) -> None:
    assert (await calling(Scripted("a", problem(400, code)), Scripted("b")).complete("a", {}, soon()))[0] == "b"

    with pytest.raises(Problem) as raised:
        await calling(Scripted("a", problem(400, code)), Scripted("b", *[problem(503, "x")] * 3)).complete(
            "a", {}, soon()
        )
    assert raised.value.code == code


async def test_what_one_request_may_have_caused_does_not_open_the_breaker() -> None:
    refused = problem(502, "model_credentials_refused")
    refused.blames_model = False
    model = Scripted("a", *[refused] * FAILURES)
    calls = calling(model)

    for _ in range(FAILURES):
        with pytest.raises(Problem):
            await calls.complete("a", {}, soon())

    assert await calls.complete("a", {}, soon()) == ("a", {"by": "a"})
    assert await calls.components()["a"].probe() == {}
