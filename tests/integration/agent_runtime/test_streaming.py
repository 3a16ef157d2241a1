"""Streams: of the OpenAI API through OpenAI's client, and of the chat API."""

import json
import signal
from typing import Any

import httpx2
import openai
import pytest

from tests.integration.agent_runtime.conftest import (
    ECHO,
    PROMPT,
    USER_CANARY,
    AgentProcess,
    StartAgent,
    agent_toml,
    openai_model,
)
from tests.integration.agent_runtime.openai_clients import sync_client
from tests.integration.agent_runtime.processes import ModelServer
from tests.patience import DEADLINE
from tests.polling import eventually

MESSAGES: Any = [{"role": "user", "content": "one two three"}]
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent whose default model is the fake model server, with an echo model."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO)).ready()


@pytest.fixture
def client(agent: AgentProcess) -> openai.OpenAI:
    """OpenAI's client without retries."""
    return sync_client(f"http://127.0.0.1:{agent.port}/v1")


def parse_events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the events as pairs of name and data."""
    parsed = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        parsed.append((fields.get("event", ""), json.loads(fields["data"])))
    return parsed


@pytest.mark.parametrize("model", ["gpt", "echo"])
@pytest.mark.parametrize("usage", [True, False])
def test_a_stream_has_role_content_and_finish_reason(
    client: openai.OpenAI, model_server: ModelServer, model: str, usage: bool
) -> None:
    """The usage comes last, and only on request."""
    options: Any = {"stream_options": {"include_usage": True}} if usage else {}

    chunks = list(client.chat.completions.create(model=model, messages=MESSAGES, stream=True, **options))

    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    text = "".join(choice.delta.content or "" for choice in choices)
    assert text == ("model: one two three" if model == "gpt" else "one two three")
    assert choices[0].delta.role == "assistant"
    assert choices[-1].finish_reason == "stop"
    assert [chunk.usage is not None for chunk in chunks if not chunk.choices] == ([True] if usage else [])


def test_metrics_count_the_tokens_of_a_stream(
    agent: AgentProcess, client: openai.OpenAI, model_server: ModelServer
) -> None:
    """The caller did not request the usage. The time to the first token is observed too."""
    tokens, first_token = 'agent_tokens_total{kind="prompt",model="gpt"}', "agent_time_to_first_token_seconds_count"
    before = agent.metrics()

    list(client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True))

    after = agent.metrics()
    assert after[tokens] - before.get(tokens, 0) == 11
    assert after[f'{first_token}{{model="gpt"}}'] - before.get(f'{first_token}{{model="gpt"}}', 0) == 1


def test_each_chunk_is_sent_at_once(client: openai.OpenAI, model_server: ModelServer) -> None:
    """The model server sends a chunk only after the client has read the one before."""
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()
    stream = client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True)

    contents: list[str | None] = []
    for chunk in stream:
        model_server.go()
        contents.append(chunk.choices[0].delta.content)

    assert contents == ["", "model:", " one", " two", " three", None]


def test_deltas_of_tool_calls_are_unchanged(client: openai.OpenAI, model_server: ModelServer) -> None:
    """The caller gets them as the model server sent them."""
    function = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    deltas: list[Any] = [{"role": "assistant", "content": None}, {"tool_calls": [function]}, {}]
    chunks = [
        head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "tool_calls"}]}
        for delta in deltas
    ]
    model_server.script(completions=[{"chunks": chunks}])
    tools: Any = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]

    received = list(client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True, tools=tools))

    assert [chunk.to_dict() for chunk in received] == chunks


@pytest.mark.parametrize("status", [400, 401, 404])
def test_an_error_before_the_first_chunk_has_an_error_status(
    client: openai.OpenAI, model_server: ModelServer, status: int
) -> None:
    """The response is not a stream with the status 200."""
    model_server.script(completions=[{"status": status, "text": PROMPT}])

    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True)


def test_a_broken_stream_ends_with_an_error(client: openai.OpenAI, model_server: ModelServer) -> None:
    """The client raises an error after the chunks that arrived, so the answer does not seem complete."""
    model_server.script(completions=[{"break_after": 3}])
    contents: list[str | None] = []

    stream = client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIError, match="broke off") as raised:
        contents.extend(chunk.choices[0].delta.content for chunk in stream)

    assert contents == ["", "model:", " one"]
    assert raised.value.code == "model_bad_response"


def test_an_error_event_of_the_model_is_replaced(client: openai.OpenAI, model_server: ModelServer) -> None:
    """The error does not quote the model server."""
    model_server.script(completions=[{"chunks": [{"error": {"message": PROMPT}}], "always": True}])

    with pytest.raises(openai.APIError) as raised:
        list(client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True))

    assert PROMPT not in str(raised.value)


def test_a_chat_stream_has_deltas_and_done(agent: AgentProcess, model_server: ModelServer) -> None:
    """The event `done` has session, model and usage. The session stores the turn."""
    body = {"message": "one two", "session_id": "streamed"}

    response = agent.http.post("/api/chat", json=body, headers=EVENTS)

    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-request-id"]
    *deltas, (kind, done) = parse_events(response.text)
    assert {kind for kind, _ in deltas} == {"delta"}
    assert "".join(data["text"] for _, data in deltas) == "model: one two"
    assert (kind, done["session_id"], done["model"]) == ("done", "streamed", "gpt")
    assert done["usage"]["total_tokens"] == 14
    messages = agent.http.get("/api/sessions/streamed").json()["messages"]
    assert [message["content"] for message in messages] == ["one two", "model: one two"]


def test_a_broken_chat_stream_ends_with_an_error(agent: AgentProcess, model_server: ModelServer) -> None:
    """The event `error` is a problem. The session does not store the turn."""
    model_server.script(completions=[{"break_after": 3}])
    body = {"message": USER_CANARY, "session_id": "broken"}

    response = agent.http.post("/api/chat", json=body, headers=EVENTS)

    kind, problem = parse_events(response.text)[-1]
    assert (kind, problem["code"], problem["status"]) == ("error", "model_bad_response", 502)
    assert agent.http.get("/api/sessions/broken").status_code == 404


def test_a_client_that_disconnects_stops_the_model_call(agent: AgentProcess, model_server: ModelServer) -> None:
    """The agent closes its connection to the model server."""
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()
    body = {"messages": MESSAGES, "stream": True}

    with httpx2.stream("POST", f"http://127.0.0.1:{agent.port}/v1/chat/completions", json=body) as response:
        lines = response.iter_lines()
        next(lines)

    eventually("the model call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])


def test_a_stream_continues_after_sigterm(start_agent: StartAgent, model_server: ModelServer) -> None:
    """A started stream is sent to its last chunk."""
    agent = start_agent(agent_toml(openai_model(model_server))).ready()
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()
    openai_client = sync_client(f"http://127.0.0.1:{agent.port}/v1")
    stream = openai_client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True)
    contents = [next(stream).choices[0].delta.content]

    agent.process.send_signal(signal.SIGTERM)
    eventually("the agent drains", lambda: agent.log("draining"))
    for _ in range(6):
        model_server.go()
    contents += [chunk.choices[0].delta.content for chunk in stream]

    assert contents == ["", "model:", " one", " two", " three", None]
    assert agent.process.wait(DEADLINE) == 0
