"""LangChain's client for OpenAI's API, with both agents."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from tests.integration.agent_runtime.clients.conftest import Target
from tests.integration.agent_runtime.processes import ModelServer


@tool
def clock(zone: str) -> str:
    """Tell the time in a zone."""
    return f"noon in {zone}"


class City(BaseModel):
    """A city."""

    name: str
    people: int


@pytest.fixture
def chat(target: Target, model: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatOpenAI]:
    """The client, without retries and without tracing."""
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    with openai.DefaultHttpxClient(verify=False) as http:
        yield ChatOpenAI(
            model="gpt", base_url=target.openai_url, api_key=SecretStr("x"), max_retries=0, http_client=http
        )


def calling(name: str, arguments: str) -> dict[str, Any]:
    """Return a step of the model server that calls a tool."""
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"message": {"content": None, "tool_calls": [call]}}


def test_a_message_has_usage_and_finish_reason(chat: ChatOpenAI) -> None:
    """The client parses both."""
    answer = chat.invoke("one two")

    assert answer.content == "model: one two"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] == 14
    assert answer.response_metadata["finish_reason"] == "stop"


def test_the_chunks_of_a_stream_add_up(chat: ChatOpenAI) -> None:
    """The sum of the chunks has the whole answer and the usage."""
    whole: AIMessageChunk | None = None
    parts = 0
    for chunk in chat.stream("one two", stream_usage=True):
        assert isinstance(chunk, AIMessageChunk)
        whole = chunk if whole is None else whole + chunk
        parts += bool(chunk.content)

    assert whole is not None
    assert whole.content == "model: one two"
    assert parts > 1
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["total_tokens"] == 14


def test_concurrent_requests_get_their_own_answers(chat: ChatOpenAI) -> None:
    """A batch sends several requests at once."""
    answers = chat.batch(["a", "b", "c"])

    assert [answer.content for answer in answers] == ["model: a", "model: b", "model: c"]


def test_a_tool_of_langchain_is_called(chat: ChatOpenAI, model: ModelServer) -> None:
    """The client runs the call of the model, and the model answers with the result."""
    model.script(completions=[calling("clock", '{"zone": "UTC"}')])
    with_tools = chat.bind_tools([clock])
    messages: list[Any] = [HumanMessage("What time is it?")]

    request = with_tools.invoke(messages)
    assert isinstance(request, AIMessage)
    (call,) = request.tool_calls
    result = clock.invoke(call)
    answer = with_tools.invoke([*messages, request, result])

    assert isinstance(result, ToolMessage)
    assert (call["name"], call["args"]) == ("clock", {"zone": "UTC"})
    assert answer.content == "model: noon in UTC"
    assert model.seen("/chat/completions")[0]["body"]["tools"][0]["function"]["name"] == "clock"


def test_structured_output_by_a_tool(chat: ChatOpenAI, model: ModelServer) -> None:
    """The arguments of the forced call become an object."""
    model.script(completions=[calling("City", '{"name": "Ulm", "people": 128000}')])

    assert chat.with_structured_output(City, method="function_calling").invoke("Ulm?") == City(
        name="Ulm", people=128000
    )


def test_structured_output_by_a_schema(chat: ChatOpenAI, model: ModelServer) -> None:
    """The model gets the schema, and its JSON becomes an object."""
    model.script(completions=[{"message": {"content": '{"name": "Ulm", "people": 128000}'}}])

    city = chat.with_structured_output(City, method="json_schema").invoke("Ulm?")

    assert city == City(name="Ulm", people=128000)
    response_format = model.seen("/chat/completions")[0]["body"]["response_format"]
    assert response_format["json_schema"]["schema"]["required"] == ["name", "people"]


def test_an_error_has_the_type_of_openais_client(chat: ChatOpenAI, model: ModelServer) -> None:
    """The error has the code of the agent."""
    model.script(completions=[{"status": 400, "json": {"error": {"code": "content_filter"}}}])

    with pytest.raises(openai.BadRequestError) as raised:
        chat.invoke("x")

    assert raised.value.code == "content_filter"


def test_the_responses_api(chat: ChatOpenAI, model: ModelServer) -> None:
    """LangChain's client works with it, too: streams, calls of tools and conversations."""
    with_responses = chat.model_copy(update={"use_responses_api": True})
    model.script(completions=[calling("clock", '{"zone": "UTC"}')])
    with_tools = with_responses.bind_tools([clock])
    messages: list[Any] = [HumanMessage("What time is it?")]

    request = with_tools.invoke(messages)
    assert isinstance(request, AIMessage)
    (call,) = request.tool_calls
    answer = with_tools.invoke([*messages, request, clock.invoke(call)])
    whole: Any = None
    for chunk in with_responses.stream("one two"):
        whole = chunk if whole is None else whole + chunk
    first = with_responses.invoke("one")
    with_responses.invoke("two", previous_response_id=first.response_metadata["id"])

    assert answer.text == "model: noon in UTC"
    assert whole.text == "model: one two"
    assert whole.usage_metadata["total_tokens"] == 14
    sent = model.seen("/chat/completions")[-1]["body"]["messages"][1:]
    assert [message["content"] for message in sent] == ["one", "model: one", "two"]
