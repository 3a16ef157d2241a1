"""The tokens of calls are counted once, also if a caller leaves or the model reports none."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.agent.budget import Budget
from agent_runtime.agent.metering import MeteredCompletions, prompt_tokens
from agent_runtime.agent.prices import Prices
from agent_runtime.config import BudgetConfig
from agent_runtime.metrics import Metrics
from agent_runtime.models.base import Json

REQUEST: Json = {"messages": [{"role": "user", "content": "x" * 30}]}
ESTIMATED_PROMPT = 14


def chunk(text: str, **fields: Any) -> bytes:
    return json.dumps({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]} | fields).encode()


def usage(completion: int) -> Json:
    return {"prompt_tokens": 10, "completion_tokens": completion, "total_tokens": 10 + completion}


class Completions:
    """A model that streams these chunks."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    async def complete(self, name: str, request: Json, deadline: float) -> tuple[str, Json]:
        return name, json.loads(self.chunks[0].replace(b"delta", b"message"))

    async def stream(self, name: str, request: Json, deadline: float) -> tuple[str, AsyncGenerator[bytes, None]]:
        async def parts() -> AsyncGenerator[bytes, None]:
            for one in self.chunks:
                yield one

        return name, parts()


def counted(metrics: Metrics) -> tuple[float, float]:
    """Return the counted tokens of the prompt and of the answer."""
    values = [
        metrics.registry.get_sample_value("agent_tokens_total", {"model": "m", "kind": k})
        for k in ("prompt", "completion")
    ]
    return values[0], values[1]


async def streamed(*chunks: bytes, read: int | None = None) -> tuple[float, float]:
    """Return the tokens of a stream of which the caller reads `read` chunks."""
    metrics = Metrics("1", "")
    _, found = await MeteredCompletions(Completions(*chunks), metrics, None).stream("m", REQUEST, 0.0)
    async with aclosing(found):
        number = 0
        async for _ in found:
            number += 1
            if number == read:
                break
    return counted(metrics)


async def test_the_last_running_total_counts() -> None:
    totals = [chunk("x", usage=usage(number)) for number in range(1, 11)]

    assert await streamed(*totals) == (10, 10)
    assert await streamed(*totals, chunk("", usage=None)) == (10, 10)


async def test_a_stream_without_usage_is_estimated() -> None:
    assert await streamed(*[chunk("word ")] * 50) == (ESTIMATED_PROMPT, 50)
    prompt, completion = await streamed(chunk(""), chunk("x" * 3000))
    assert prompt == ESTIMATED_PROMPT
    assert completion == pytest.approx(1000, abs=100)


async def test_an_abandoned_stream_counts_what_was_streamed() -> None:
    chunks = [*[chunk("word ")] * 100, chunk("", usage=usage(100))]

    assert await streamed(*chunks, read=50) == (ESTIMATED_PROMPT, 50)


async def test_an_abandoned_stream_counts_its_running_total() -> None:
    assert await streamed(*[chunk("x", usage=usage(n)) for n in range(1, 100)], read=7) == (10, 7)


async def test_a_completion_without_usage_is_estimated() -> None:
    metrics = Metrics("1", "")
    budget = Budget(BudgetConfig(tokens_per_day=1_000_000), None)

    await MeteredCompletions(Completions(chunk("x" * 300)), metrics, budget).complete("m", REQUEST, 0.0)

    prompt, completion = counted(metrics)
    assert prompt == ESTIMATED_PROMPT
    assert completion == pytest.approx(100, abs=15)


@pytest.mark.parametrize(("cached", "cost"), [(None, 3.0), (500_000, 2.75), (10**30, 2.5), ("x", 3.0), (-1, 3.0)])
async def test_the_cost_follows_from_the_usage(cached: Any, cost: float, tmp_path: Path) -> None:
    """The tokens that the server had cached may be cheaper. It counts once per call, also against the budget."""
    file = tmp_path / "prices.toml"
    file.write_text('currency = "EUR"\n[models.up]\ninput = 1\noutput = 2\ncached_input = 0.5\n')
    metrics, budget = Metrics("1", ""), Budget(BudgetConfig(cost_per_day=10), None)
    reported = {"prompt_tokens": 10**6, "completion_tokens": 10**6, "prompt_tokens_details": {"cached_tokens": cached}}
    calls = MeteredCompletions(
        Completions(chunk("x", usage=reported)), metrics, budget, prices=Prices(file, {"m": "up"})
    )

    await calls.complete("m", REQUEST, 0.0)

    labels = {"model": "m", "currency": "EUR"}
    assert metrics.registry.get_sample_value("agent_cost_total", labels) == pytest.approx(cost)
    assert budget.allowances[0].used == pytest.approx(cost * 1e6, abs=1)


@pytest.mark.parametrize("value", [-5, "7", None, 10**30, True, [1]])
async def test_hostile_usage_is_bounded(value: Any) -> None:
    reported = {"prompt_tokens": 3, "completion_tokens": value}

    assert (await streamed(chunk("x", usage=reported)))[1] in {0, 1, 10**9}


def test_an_image_is_not_counted_by_its_bytes() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:" + "x" * 1_000_000}}
    parts = [{"type": "text", "text": "x" * 30}, image]

    assert prompt_tokens({"messages": [{"role": "user", "content": parts}]}) == ESTIMATED_PROMPT + 1_000
