"""The OpenAI client of the Microsoft Agent Framework, which uses the Responses API by default, with both agents."""

from typing import Annotated, Any

import pytest
from agent_framework import Agent
from agent_framework_openai import OpenAIChatClient
from pydantic import BaseModel

from tests.integration.agent_runtime.clients.conftest import Target
from tests.integration.agent_runtime.clients.test_langchain import calling
from tests.integration.agent_runtime.openai_clients import async_client
from tests.integration.agent_runtime.processes import ModelServer


def clock(zone: Annotated[str, "a zone"]) -> str:
    """Tell the time in a zone."""
    return f"noon in {zone}"


@pytest.fixture
async def assistant(target: Target, model: ModelServer) -> Any:
    """An agent of the framework that asks our agent."""
    async with async_client(target.openai_url) as openai_client:
        client = OpenAIChatClient(model="gpt", async_client=openai_client)
        yield Agent(client, instructions="Be brief.", tools=[clock])


async def test_a_run_answers(assistant: Any, model: ModelServer) -> None:
    """The instructions and the tool reach the model."""
    result = await assistant.run("one two")

    assert result.text == "model: one two"
    body = model.seen("/chat/completions")[0]["body"]
    assert "Be brief." in body["messages"][0]["content"]
    assert body["tools"][0]["function"]["name"] == "clock"


async def test_a_streamed_run_answers(assistant: Any) -> None:
    """The text arrives in parts."""
    running = assistant.run("one two", stream=True)

    texts = [update.text async for update in running if update.text]

    assert (await running.get_final_response()).text == "model: one two"
    assert len(texts) > 2


async def test_a_tool_of_the_framework_is_called(assistant: Any, model: ModelServer) -> None:
    """The framework runs the call."""
    model.script(completions=[calling("clock", '{"zone": "UTC"}')])

    result = await assistant.run("time?")

    assert result.text == "model: noon in UTC"
    sent = model.seen("/chat/completions")[-1]["body"]["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool"]


async def test_a_session_continues(assistant: Any, model: ModelServer) -> None:
    """The framework keeps the id of the last response in its session."""
    session = assistant.create_session()

    await assistant.run("one", session=session)
    await assistant.run("two", session=session)

    sent = model.seen("/chat/completions")[-1]["body"]["messages"][1:]
    assert [message["content"] for message in sent] == ["one", "model: one", "two"]


class City(BaseModel):
    """A city."""

    name: str


async def test_a_response_format_becomes_an_object(assistant: Any, model: ModelServer) -> None:
    """The schema reaches the model."""
    model.script(completions=[{"message": {"content": '{"name": "Ulm"}'}}])

    result = await assistant.run("Ulm?", options={"response_format": City})

    assert result.value == City(name="Ulm")
