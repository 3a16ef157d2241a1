"""Streams of an agent whose model is silent: they start early, and comments keep their connections open."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from tests.integration.agent_runtime.conftest import AgentProcess, StartAgent, agent_toml, openai_model
from tests.integration.agent_runtime.openai_clients import sync_client
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually

MESSAGES: Any = [{"role": "user", "content": "one"}]
COMMENT = ": keep-alive"
MESSAGE = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "one"}]}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": {"message": MESSAGE}}
STREAMS = {
    "/v1/chat/completions": {"messages": MESSAGES, "stream": True},
    "/api/chat": {"message": "one"},
    "/a2a": CALL,
}


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent that sends a comment after every second of silence."""
    table = "[agent.server]\nkeep_alive_seconds = 1"
    return start_shared_agent(agent_toml(openai_model(shared_model_server), memory=table)).ready()


@contextmanager
def silent_stream(agent: AgentProcess, path: str) -> Iterator[tuple[Any, Iterator[str]]]:
    """Send a request; yield the response and its lines after the second comment."""
    headers = {"Accept": "text/event-stream"}
    with agent.http.stream("POST", path, json=STREAMS[path], headers=headers) as response:
        lines = response.iter_lines()
        for _ in range(2):
            while next(lines) != COMMENT:
                pass
        yield response, lines


@pytest.mark.parametrize("path", STREAMS)
def test_a_silent_stream_sends_comments(agent: AgentProcess, model_server: ModelServer, path: str) -> None:
    """The model answers only after two comments. Every other block is an event."""
    model_server.script(completions=[{"hold": True}])

    with silent_stream(agent, path) as (response, lines):
        model_server.go()
        rest = list(lines)

    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
    assert "model: one" in "".join(text(json.loads(line[6:])) for line in rest if line.startswith("data: {"))
    assert {line.partition(":")[0] for line in rest if line} <= {"data", "event", ""}


def text(event: dict[str, Any]) -> str:
    """Return the text in an event of any of the streams."""
    if "choices" in event:
        return "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    artifact = event.get("result", {}).get("artifactUpdate", {}).get("artifact", {"parts": []})
    return str(event.get("text", "")) + "".join(part["text"] for part in artifact["parts"])


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_a_late_error_is_the_last_event(agent: AgentProcess, model_server: ModelServer, path: str) -> None:
    """The status is already sent. An earlier error has an error status instead."""
    model_server.script(completions=[{"hold": True, "status": 400}, {"status": 400}])

    with silent_stream(agent, path) as (_, lines):
        model_server.go()
        event = json.loads([line for line in lines if line.startswith("data: ")][-1][6:])
    early = agent.http.post(path, json=STREAMS[path], headers={"Accept": "text/event-stream"})

    assert event.get("error", event)["code"] == early.json().get("error", early.json())["code"]
    assert early.status_code == 400
    assert agent.log("request")[-2]["code"] == event.get("error", event)["code"]


def test_openais_client_ignores_the_comments(agent: AgentProcess, model_server: ModelServer) -> None:
    """It raises a late error."""
    client = sync_client(f"http://127.0.0.1:{agent.port}/v1")
    model_server.script(completions=[{"delay": 2.5}, {"delay": 2.5, "status": 400}])

    chunks = list(client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True))
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="gpt", messages=MESSAGES, stream=True))

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "model: one"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_a_caller_that_leaves_a_silent_stream_ends_the_model_call(
    agent: AgentProcess, model_server: ModelServer, path: str
) -> None:
    """Nothing unexpected is logged."""
    model_server.script(completions=[{"hold": True}])

    with silent_stream(agent, path):
        pass

    eventually("the model call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])
    assert agent.log("unexpected error") == []
