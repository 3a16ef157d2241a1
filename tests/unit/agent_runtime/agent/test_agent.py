"""The agent with an echo model and the memory of the process."""

from typing import Any

import pytest

from agent_runtime.agent.agent import Agent
from agent_runtime.config import AgentConfig, LimitsConfig, MemoryConfig, ModelConfig
from agent_runtime.errors import Problem
from agent_runtime.memory.local import LocalStore
from agent_runtime.metrics import Metrics
from agent_runtime.models.base import Json
from agent_runtime.models.echo import EchoModel
from agent_runtime.models.fallbacks import Calls


class RecordingModel(EchoModel):
    """An echo model that records its requests. If `message` is set, it answers with that message."""

    def __init__(self, message: Json | None = None) -> None:
        super().__init__("m")
        self.requests: list[Json] = []
        self._message = message

    async def complete(self, request: Json) -> Json:
        self.requests.append(request)
        completion = await super().complete(request)
        if self._message is not None:
            completion["choices"][0]["message"] = self._message
            completion["usage"] = None
        return completion


def make_agent(
    model: RecordingModel,
    prompt: str = "Be kind.",
    limits: LimitsConfig | None = None,
    memory: MemoryConfig | None = None,
) -> Agent:
    """Create an agent with this model."""
    config = AgentConfig(models=(ModelConfig(name="m", provider="echo"),), limits=limits, memory=memory)
    metrics = Metrics("1", "")
    return Agent(config, prompt, Calls({"m": model}, (), metrics), LocalStore(60), metrics)


async def test_an_empty_prompt_is_not_sent() -> None:
    """A system message without text would confuse a model."""
    model = RecordingModel()

    await make_agent(model, " \n").complete({"messages": [{"role": "user", "content": "hi"}]})

    assert [message["role"] for message in model.requests[0]["messages"]] == ["user"]


async def test_only_the_newest_turns_that_fit_are_sent() -> None:
    """max_history_tokens limits the request. Older turns stay in the session."""
    model = RecordingModel()
    # A turn has 10 tokens: 4 for each of its 2 messages, 1 for the estimated text and 1 for the reported answer.
    agent = make_agent(model, memory=MemoryConfig(max_history_tokens=25))
    for message in ("aaaa", "bb", "cc", "dd"):
        await agent.chat(message, "s", None)

    sent = [message["content"] for message in model.requests[-1]["messages"]]

    assert sent == ["Be kind.", "bb", "bb", "cc", "cc", "dd"]
    assert len(await agent.sessions.history("s")) == 4


async def test_max_history_tokens_0_sends_no_history() -> None:
    """The session still stores the turns."""
    model = RecordingModel()
    agent = make_agent(model, memory=MemoryConfig(max_history_tokens=0))
    for message in ("a", "b"):
        await agent.chat(message, "s", None)

    assert [message["content"] for message in model.requests[-1]["messages"]] == ["Be kind.", "b"]
    assert len(await agent.sessions.history("s")) == 2


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"role": "assistant", "content": None, "refusal": "No."}, "No."),
        ({"role": "assistant", "content": None}, ""),
        ({"role": "assistant", "content": "Yes."}, "Yes."),
    ],
)
async def test_the_answer_is_the_content_or_the_refusal(message: Json, text: str) -> None:
    """A message may have neither, and a model may report no usage."""
    answer = await make_agent(RecordingModel(message)).chat("hi", "s", None)

    assert (answer.text, answer.usage) == (text, {})


@pytest.mark.parametrize("content", ["12345", [{"type": "text", "text": "123"}, {"type": "text", "text": "45"}]])
async def test_max_input_chars_limits_the_messages(content: Any) -> None:
    """The text of all messages counts together. The prompt does not count."""
    agent = make_agent(RecordingModel(), limits=LimitsConfig(max_input_chars=5))
    within = {"messages": [{"role": "user", "content": content}]}
    beyond = {"messages": [*within["messages"], {"role": "user", "content": "6"}]}

    await agent.complete(within)

    with pytest.raises(Problem, match="6 characters, but the limit is 5") as raised:
        await agent.complete(beyond)
    assert (raised.value.status, raised.value.code) == (413, "input_too_long")
    with pytest.raises(Problem):
        await anext(agent.stream(beyond))
    with pytest.raises(Problem):
        await agent.chat("123456", "s", None)


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": [{"function": {"name": "f", "arguments": "123456"}}]},
        {"tool_calls": [{"function": {"arguments": "123"}}, {"function": {"arguments": "456"}}]},
        {"content": "1", "reasoning_content": "23456"},
        {"content": None, "function_call": {"name": "f", "arguments": "123456"}},
    ],
)
async def test_every_text_of_a_message_counts(message: Json) -> None:
    agent = make_agent(RecordingModel(), limits=LimitsConfig(max_input_chars=5))

    with pytest.raises(Problem, match="6 characters, but the limit is 5"):
        await agent.complete({"messages": [{"role": "assistant", **message}]})


@pytest.mark.parametrize("calls", [None, 1, "x", [1], [{}], [{"function": 1}], [{"function": {"arguments": 1}}]])
async def test_tool_calls_may_have_any_shape(calls: Any) -> None:
    """The model's server decides about them."""
    agent = make_agent(RecordingModel(), limits=LimitsConfig(max_input_chars=5))
    messages = [{"role": "assistant", "tool_calls": calls}, {"role": "user", "content": "12345"}]

    assert await agent.complete({"messages": messages})


async def test_an_unknown_model_is_an_error() -> None:
    """The agent calls no model and stores nothing."""
    agent = make_agent(RecordingModel())

    with pytest.raises(Problem, match="use one of m"):
        await agent.chat("hi", "s", "other")

    assert await agent.sessions.history("s") == []
