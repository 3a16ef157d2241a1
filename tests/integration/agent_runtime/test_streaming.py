"""Answers in pieces: OpenAI's stream by OpenAI's client, and the conversation's events."""

import json
import signal
from typing import Any

import httpx2
import openai
import pytest

from tests.integration.agent_runtime.conftest import (
    DEADLINE,
    ECHO,
    PROMPT,
    USER_CANARY,
    AgentProcess,
    ModelServer,
    StartAgent,
    agent_toml,
    eventually,
    openai_model,
)

SAY: Any = [{"role": "user", "content": "one two three"}]
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent with a model behind the fake server, its default, and one that echoes."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO)).ready()


@pytest.fixture
def client(agent: AgentProcess) -> openai.OpenAI:
    """OpenAI's client, which does not try again."""
    return openai.OpenAI(base_url=f"http://127.0.0.1:{agent.port}/v1", api_key="x", max_retries=0)


def parse(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Events as (kind, data)."""
    parsed = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        parsed.append((fields.get("event", ""), json.loads(fields["data"])))
    return parsed


@pytest.mark.parametrize("model", ["gpt", "echo"])
@pytest.mark.parametrize("usage", [True, False])
def test_the_openai_client_streams(client: openai.OpenAI, model_server: ModelServer, model: str, usage: bool) -> None:
    """Role first, then content, a finish reason, and usage exactly when it was asked for."""
    options: Any = {"stream_options": {"include_usage": True}} if usage else {}

    chunks = list(client.chat.completions.create(model=model, messages=SAY, stream=True, **options))

    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    text = "".join(choice.delta.content or "" for choice in choices)
    assert text == ("model: one two three" if model == "gpt" else "one two three")
    assert choices[0].delta.role == "assistant"
    assert choices[-1].finish_reason == "stop"
    assert [chunk.usage is not None for chunk in chunks if not chunk.choices] == ([True] if usage else [])


def test_tokens_of_a_stream_are_counted(agent: AgentProcess, client: openai.OpenAI, model_server: ModelServer) -> None:
    """Though the caller did not ask for usage; and the time to the first token is."""
    counted, timed = 'agent_tokens_total{kind="prompt",model="gpt"}', "agent_time_to_first_token_seconds_count"
    before = agent.metrics()

    list(client.chat.completions.create(model="gpt", messages=SAY, stream=True))

    after = agent.metrics()
    assert after[counted] - before.get(counted, 0) == 11
    assert after[f'{timed}{{model="gpt"}}'] - before.get(f'{timed}{{model="gpt"}}', 0) == 1


def test_a_chunk_leaves_before_the_next_one_comes(client: openai.OpenAI, model_server: ModelServer) -> None:
    """The server sends one only after the test has read the one before."""
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()
    stream = client.chat.completions.create(model="gpt", messages=SAY, stream=True)

    contents = []
    for chunk in stream:
        model_server.go()
        contents.append(chunk.choices[0].delta.content)

    assert contents == ["", "model:", " one", " two", " three", None]


def test_tool_call_deltas_pass_through(client: openai.OpenAI, model_server: ModelServer) -> None:
    """As the model's server wrote them."""
    function = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    deltas: list[Any] = [{"role": "assistant", "content": None}, {"tool_calls": [function]}, {}]
    chunks = [
        head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "tool_calls"}]}
        for delta in deltas
    ]
    model_server.script(completions=[{"chunks": chunks}])
    tools: Any = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]

    got = list(client.chat.completions.create(model="gpt", messages=SAY, stream=True, tools=tools))

    assert [chunk.to_dict() for chunk in got] == chunks


@pytest.mark.parametrize("status", [400, 401, 404])
def test_an_error_before_the_first_chunk_is_an_ordinary_error(
    client: openai.OpenAI, model_server: ModelServer, status: int
) -> None:
    """With a status, not a stream that begins with 200."""
    model_server.script(completions=[{"status": status, "text": PROMPT}])

    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(model="gpt", messages=SAY, stream=True)


def test_a_stream_that_breaks_ends_with_an_error(client: openai.OpenAI, model_server: ModelServer) -> None:
    """The client's SDK raises after the chunks that came; nothing pretends to be complete."""
    model_server.script(completions=[{"break_after": 3}])
    contents = []

    stream = client.chat.completions.create(model="gpt", messages=SAY, stream=True)
    with pytest.raises(openai.APIError, match="broke off") as raised:
        contents.extend(chunk.choices[0].delta.content for chunk in stream)

    assert contents == ["", "model:", " one"]
    assert raised.value.code == "model_bad_response"


def test_an_error_event_of_the_model_becomes_ours(client: openai.OpenAI, model_server: ModelServer) -> None:
    """Its words stay out."""
    model_server.script(completions=[{"chunks": [{"error": {"message": PROMPT}}], "always": True}])

    with pytest.raises(openai.APIError) as raised:
        list(client.chat.completions.create(model="gpt", messages=SAY, stream=True))

    assert PROMPT not in str(raised.value)


def test_a_conversation_in_pieces(agent: AgentProcess, model_server: ModelServer) -> None:
    """Deltas, then done with session, model and usage; and it is remembered."""
    body = {"message": "one two", "session_id": "streamed"}

    response = agent.http.post("/api/chat", json=body, headers=EVENTS)

    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-request-id"]
    *deltas, (kind, done) = parse(response.text)
    assert {kind for kind, _ in deltas} == {"delta"}
    assert "".join(data["text"] for _, data in deltas) == "model: one two"
    assert (kind, done["session_id"], done["model"]) == ("done", "streamed", "gpt")
    assert done["usage"]["total_tokens"] == 14
    shown = agent.http.get("/api/sessions/streamed").json()["messages"]
    assert [message["content"] for message in shown] == ["one two", "model: one two"]


def test_a_conversation_that_breaks(agent: AgentProcess, model_server: ModelServer) -> None:
    """Ends with an error event that is a problem, and is not remembered."""
    model_server.script(completions=[{"break_after": 3}])
    body = {"message": USER_CANARY, "session_id": "broken"}

    response = agent.http.post("/api/chat", json=body, headers=EVENTS)

    kind, problem = parse(response.text)[-1]
    assert (kind, problem["code"], problem["status"]) == ("error", "model_bad_response", 502)
    assert agent.http.get("/api/sessions/broken").status_code == 404


def test_a_client_that_leaves_stops_the_stream(agent: AgentProcess, model_server: ModelServer) -> None:
    """The connection to the model's server is closed."""
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()
    body = {"messages": SAY, "stream": True}

    with httpx2.stream("POST", f"http://127.0.0.1:{agent.port}/v1/chat/completions", json=body) as response:
        lines = response.iter_lines()
        next(lines)

    eventually("the upstream call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])


def test_sigterm_lets_streams_end(start_agent: StartAgent, model_server: ModelServer) -> None:
    """A stream that has begun goes on to its last chunk."""
    agent = start_agent(agent_toml(openai_model(model_server))).ready()
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()
    openai_client = openai.OpenAI(base_url=f"http://127.0.0.1:{agent.port}/v1", api_key="x", max_retries=0)
    stream = openai_client.chat.completions.create(model="gpt", messages=SAY, stream=True)
    contents = [next(stream).choices[0].delta.content]

    agent.process.send_signal(signal.SIGTERM)
    eventually("it drains", lambda: agent.log("draining"))
    for _ in range(6):
        model_server.go()
    contents += [chunk.choices[0].delta.content for chunk in stream]

    assert contents == ["", "model:", " one", " two", " three", None]
    assert agent.process.wait(DEADLINE) == 0
