"""The agent over an echo and a memory in the process."""

from typing import Any

import pytest

from agent_runtime.agent.agent import Agent
from agent_runtime.config import AgentConfig, LimitsConfig, MemoryConfig, ModelConfig
from agent_runtime.errors import Problem
from agent_runtime.memory.local import LocalStore
from agent_runtime.metrics import Metrics
from agent_runtime.models.base import Json
from agent_runtime.models.calls import Calls
from agent_runtime.models.echo import EchoModel


class Recorder(EchoModel):
    """An echo that keeps what it was asked, and says what it is given."""

    def __init__(self, message: Json | None = None) -> None:
        super().__init__("m")
        self.asked: list[Json] = []
        self._message = message

    async def complete(self, request: Json) -> Json:
        self.asked.append(request)
        completion = await super().complete(request)
        if self._message is not None:
            completion["choices"][0]["message"] = self._message
            completion["usage"] = None
        return completion


def agent(
    model: Recorder, prompt: str = "Be kind.", limits: LimitsConfig | None = None, memory: MemoryConfig | None = None
) -> Agent:
    """An agent of this model."""
    config = AgentConfig(models=(ModelConfig(name="m", provider="echo"),), limits=limits, memory=memory)
    metrics = Metrics("1", "")
    return Agent(config, prompt, Calls({"m": model}, (), metrics), LocalStore(60), metrics)


async def test_an_empty_prompt_is_not_sent() -> None:
    """A system message without words would only confuse a model."""
    model = Recorder()

    await agent(model, " \n").complete({"messages": [{"role": "user", "content": "hi"}]})

    assert [message["role"] for message in model.asked[0]["messages"]] == ["user"]


async def test_only_the_newest_turns_that_fit_are_sent() -> None:
    """As many as have the configured tokens together; older ones stay in the session but not in the request."""
    model = Recorder()
    # Each turn has 2 messages of 4 tokens, a token that is estimated for what was said and one told for the answer.
    asked = agent(model, memory=MemoryConfig(max_history_tokens=25))
    for message in ("aaaa", "bb", "cc", "dd"):
        await asked.chat(message, "s", None)

    said = [message["content"] for message in model.asked[-1]["messages"]]

    assert said == ["Be kind.", "bb", "bb", "cc", "cc", "dd"]
    assert len(await asked.sessions.history("s")) == 4


async def test_no_history_is_sent_where_none_is_wanted() -> None:
    """It is remembered all the same."""
    model = Recorder()
    asked = agent(model, memory=MemoryConfig(max_history_tokens=0))
    for message in ("a", "b"):
        await asked.chat(message, "s", None)

    assert [message["content"] for message in model.asked[-1]["messages"]] == ["Be kind.", "b"]
    assert len(await asked.sessions.history("s")) == 2


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"role": "assistant", "content": None, "refusal": "No."}, "No."),
        ({"role": "assistant", "content": None}, ""),
        ({"role": "assistant", "content": "Yes."}, "Yes."),
    ],
)
async def test_what_counts_as_the_answer(message: Json, text: str) -> None:
    """The content, else the refusal, else nothing; a model may leave usage out."""
    answer = await agent(Recorder(message)).chat("hi", "s", None)

    assert (answer.text, answer.usage) == (text, {})


@pytest.mark.parametrize("content", ["12345", [{"type": "text", "text": "123"}, {"type": "text", "text": "45"}]])
async def test_the_length_of_the_input_is_limited(content: Any) -> None:
    """The text of all messages together; the agent's prompt does not count."""
    asked = agent(Recorder(), limits=LimitsConfig(max_input_chars=5))
    within = {"messages": [{"role": "user", "content": content}]}
    beyond = {"messages": [*within["messages"], {"role": "user", "content": "6"}]}

    await asked.complete(within)

    with pytest.raises(Problem, match="6 characters, but the limit is 5") as raised:
        await asked.complete(beyond)
    assert (raised.value.status, raised.value.code) == (413, "input_too_long")
    with pytest.raises(Problem):
        await anext(asked.stream(beyond))
    with pytest.raises(Problem):
        await asked.chat("123456", "s", None)


async def test_an_unknown_model_is_a_problem() -> None:
    """And nothing is asked or remembered."""
    asked = agent(Recorder())

    with pytest.raises(Problem, match="use one of m"):
        await asked.chat("hi", "s", "other")

    assert await asked.sessions.history("s") == []
