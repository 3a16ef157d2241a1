"""The OpenAI Agents SDK with its defaults, which use the Responses API, with both agents."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import Agent, ModelSettings, OpenAIProvider, RunConfig, Runner, function_tool
from pydantic import BaseModel

from tests.integration.agent_runtime.clients.conftest import Target
from tests.integration.agent_runtime.clients.test_langchain import calling
from tests.integration.agent_runtime.openai_clients import async_client
from tests.integration.agent_runtime.processes import ModelServer


@function_tool
def clock(zone: str) -> str:
    """Tell the time in a zone."""
    return f"noon in {zone}"


@pytest.fixture
async def run_config(target: Target, model: ModelServer) -> AsyncIterator[RunConfig]:
    """Runs use the agent as their model, and send no traces."""
    async with async_client(target.openai_url) as client:
        yield RunConfig(model_provider=OpenAIProvider(openai_client=client), tracing_disabled=True)


def assistant(**fields: Any) -> Agent[None]:
    """Return an agent of the SDK that asks our agent."""
    return Agent(name="A", model="gpt", instructions="Be brief.", **fields)


async def test_a_run_answers(run_config: RunConfig, model: ModelServer) -> None:
    """The instructions reach the model."""
    result = await Runner.run(assistant(), "one two", run_config=run_config)

    assert result.final_output == "model: one two"
    assert result.context_wrapper.usage.total_tokens == 14
    assert model.seen("/chat/completions")[0]["body"]["messages"][0]["content"].endswith("\n\nBe brief.")


async def test_a_streamed_run_answers(run_config: RunConfig) -> None:
    """The text arrives in parts."""
    result = Runner.run_streamed(assistant(), "one two", run_config=run_config)

    deltas = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]

    assert "".join(deltas) == result.final_output == "model: one two"
    assert len(deltas) > 1


@pytest.mark.parametrize("stateful", [True, False])
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_tool_of_the_sdk_is_called(
    run_config: RunConfig, model: ModelServer, streamed: bool, stateful: bool
) -> None:
    """The SDK runs the call. It sends all items again, or only the result and the id of the response."""
    step = calling("clock", '{"zone": "UTC"}')
    call = step["message"]["tool_calls"][0] | {"index": 0}
    chunks = [
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [choice]}
        for choice in (
            {"index": 0, "delta": {"role": "assistant", "tool_calls": [call]}, "finish_reason": None},
            {"index": 0, "delta": {}, "finish_reason": "tool_calls"},
        )
    ]
    model.script(completions=[{"chunks": chunks} if streamed else step])
    agent = assistant(tools=[clock], model_settings=ModelSettings(store=True))

    if streamed:
        running = Runner.run_streamed(agent, "time?", run_config=run_config, auto_previous_response_id=stateful)
        async for _ in running.stream_events():
            pass
        output = running.final_output
    else:
        result = await Runner.run(agent, "time?", run_config=run_config, auto_previous_response_id=stateful)
        output = result.final_output

    assert output == "model: noon in UTC"
    sent = model.seen("/chat/completions")[-1]["body"]["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool"]


class City(BaseModel):
    """A city."""

    name: str


async def test_an_output_type_becomes_an_object(run_config: RunConfig, model: ModelServer) -> None:
    """The schema reaches the model."""
    model.script(completions=[{"message": {"content": '{"name": "Ulm"}'}}])

    result = await Runner.run(assistant(output_type=City), "Ulm?", run_config=run_config)

    assert result.final_output == City(name="Ulm")
    assert model.seen("/chat/completions")[0]["body"]["response_format"]["type"] == "json_schema"


async def test_a_conversation_continues_by_the_id_of_its_response(run_config: RunConfig, model: ModelServer) -> None:
    """Any replica knows the response."""
    first = await Runner.run(assistant(), "one", run_config=run_config)
    await Runner.run(assistant(), "two", run_config=run_config, previous_response_id=first.last_response_id)

    sent = model.seen("/chat/completions")[-1]["body"]["messages"][1:]
    assert [message["content"] for message in sent] == ["one", "model: one", "two"]
