"""Requests for embeddings."""

from typing import Any

import pytest

from agent_runtime.agent.embeddings import Embeddings
from agent_runtime.config import AgentConfig, LimitsConfig, ModelConfig
from agent_runtime.errors import Problem
from agent_runtime.models.base import Json


class RecordingCalls:
    """Calls that record their requests and answer without embeddings."""

    def __init__(self) -> None:
        self.requests: list[Json] = []

    async def complete(self, name: str, request: Json, deadline: float) -> tuple[str, Json]:
        self.requests.append(request)
        return name, {"data": []}

    async def stream(self, name: str, request: Json, deadline: float) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("texts", "length"),
    [
        ("x" * 40, 40),
        ("x" * 41, 41),
        (["x" * 20, "y" * 20], 40),
        (["x" * 20, "y" * 21], 41),
        ([7] * 10, 40),
        ([7] * 11, 44),
        ([[7] * 5, [8] * 5], 40),
        ([[7] * 5, [8] * 6], 44),
        ([{"text": "x" * 41}], 41),
        ([[["x" * 41]]], 41),
    ],
)
async def test_max_input_chars_limits_the_input(texts: Any, length: int) -> None:
    """A token counts as four characters."""
    model = ModelConfig.model_validate({"name": "e", "provider": "openai", "api": "embeddings"})
    models = (ModelConfig(name="m", provider="echo"), model)
    calls = RecordingCalls()
    embeddings = Embeddings(AgentConfig(models=models, limits=LimitsConfig(max_input_chars=40)), calls, None)

    if length <= 40:
        assert await embeddings.create({"input": texts}) == {"data": []}
        return
    with pytest.raises(Problem, match=f"input: it has {length} characters, but the limit is 40") as raised:
        await embeddings.create({"input": texts})
    assert (raised.value.status, raised.value.code, raised.value.param) == (413, "input_too_long", "input")
    assert calls.requests == []
