"""Calls that are tried again and handed on, with models that do as the test says."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agent_runtime.errors import Problem
from agent_runtime.metrics import Metrics
from agent_runtime.models import calls as module
from agent_runtime.models.base import Json
from agent_runtime.models.breaker import FAILURES
from agent_runtime.models.calls import Calls


def problem(status: int, code: str, wait: float | None = None) -> Problem:
    """A problem as a model raises it."""
    raised = Problem(status, code, "detail", retry_after=2)
    raised.wait = wait
    return raised


class Scripted:
    """Gives one outcome after the other: an exception, a number of seconds to sleep first, or a chunk."""

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
        """Nothing is held."""

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


def calling(*models: Scripted) -> Calls:
    """Calls where every model but the first is a fallback."""
    return Calls({model.name: model for model in models}, [model.name for model in models[1:]], Metrics("1", ""))


def soon(seconds: float = 5) -> float:
    """A deadline."""
    return asyncio.get_running_loop().time() + seconds


async def read(stream: AsyncGenerator[bytes, None]) -> list[bytes]:
    """All chunks."""
    return [chunk async for chunk in stream]


@pytest.mark.parametrize("code", ["model_unavailable", "model_unreachable", "model_bad_response"])
async def test_what_may_pass_is_tried_again(code: str) -> None:
    """Twice."""
    model = Scripted("a", problem(502, code), problem(502, code))

    assert await calling(model).complete("a", {}, soon()) == ("a", {"by": "a"})
    assert model.calls == 3


@pytest.mark.parametrize(
    "raised", [problem(400, "content_filter"), problem(502, "model_credentials_refused"), problem(504, "model_timeout")]
)
async def test_what_stays_wrong_is_not_tried_again(raised: Problem) -> None:
    """One call."""
    model = Scripted("a", raised)

    with pytest.raises(Problem):
        await calling(model).complete("a", {}, soon())

    assert model.calls == 1


async def test_retry_after_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short wait is waited, a long one told to the caller."""
    waited = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    short, long = (Scripted("a", problem(429, "model_rate_limited", wait)) for wait in (1, 60))

    await calling(short).complete("a", {}, soon())
    with pytest.raises(Problem):
        await calling(long).complete("a", {}, soon())

    assert waited == [1]
    assert long.calls == 1


async def test_no_attempt_begins_that_could_not_end() -> None:
    """When the wait would be longer than what is left."""
    model = Scripted("a", problem(429, "model_rate_limited", 1))

    with pytest.raises(Problem):
        await calling(model).complete("a", {}, soon(0.5))

    assert model.calls == 1


async def test_the_deadline_ends_a_call() -> None:
    """With a timeout that is counted."""
    with pytest.raises(Problem) as raised:
        await calling(Scripted("a", 60.0)).complete("a", {}, soon(0.01))

    assert (raised.value.status, raised.value.code) == (504, "model_timeout")


@pytest.mark.parametrize(("code", "reason"), [("content_filter",) * 2, ("whatever_you_say", "model_refused_request")])
async def test_reasons_in_metrics_are_few(code: str, reason: str) -> None:
    """A model's server may invent codes without end; callers get them, the metrics count them as one."""
    metrics = Metrics("1", "")
    called = Calls({"a": Scripted("a", problem(400, code))}, [], metrics)

    with pytest.raises(Problem) as raised:
        await called.complete("a", {}, soon())

    assert raised.value.code == code
    assert f'agent_model_errors_total{{model="a",reason="{reason}"}} 1.0' in metrics.exposition("")[0].decode()


async def test_fallbacks_answer_for_a_model_that_is_down() -> None:
    """In their order; the caller learns who answered."""
    down = [problem(502, "model_credentials_refused")]
    one, two, three = Scripted("a", *down), Scripted("b", *down), Scripted("c")

    assert await calling(one, two, three).complete("a", {}, soon()) == ("c", {"by": "c"})


async def test_a_refused_request_is_not_handed_on() -> None:
    """It is the caller's to mend."""
    other = Scripted("b")

    with pytest.raises(Problem, match="detail"):
        await calling(Scripted("a", problem(400, "content_filter")), other).complete("a", {}, soon())

    assert other.calls == 0


async def test_a_model_that_keeps_failing_is_left_alone() -> None:
    """Callers are told at once, with when to come back, and the model gets no call."""
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


async def test_a_stream_is_tried_again_before_its_first_chunk_only() -> None:
    """After it, what came came: the rest is an error."""
    model = Scripted("a", problem(502, "model_unavailable"), b"1", b"2", problem(502, "model_bad_response"))
    _, stream = await calling(model).stream("a", {}, soon())

    assert await anext(stream) == b"1"
    assert await anext(stream) == b"2"
    with pytest.raises(Problem):
        await anext(stream)

    assert model.calls == 2
    assert model.closed == 2


async def test_an_empty_stream_goes_to_the_fallback() -> None:
    """A stream without a chunk is no answer."""
    name, stream = await calling(Scripted("a"), Scripted("b", b"1")).stream("a", {}, soon())

    assert (name, await read(stream)) == ("b", [b"1"])


async def test_the_deadline_ends_a_stream() -> None:
    """Though its chunks have begun."""
    _, stream = await calling(Scripted("a", b"1", 60.0)).stream("a", {}, soon(0.05))

    assert await anext(stream) == b"1"
    with pytest.raises(Problem) as raised:
        await anext(stream)
    assert raised.value.code == "model_timeout"


async def test_a_stream_that_is_left_is_closed() -> None:
    """So that the model stops writing."""
    model = Scripted("a", b"1", b"2")
    _, stream = await calling(model).stream("a", {}, soon())
    await anext(stream)

    await stream.aclose()

    assert model.closed == 1
