"""Models behind the Responses API and behind the embeddings API. Another agent serves the Responses API."""

import json
from typing import Any

import openai
import pytest

from tests.integration.agent_runtime.conftest import (
    PROMPT,
    USER_CANARY,
    AgentProcess,
    StartAgent,
    agent_toml,
    openai_model,
)
from tests.integration.agent_runtime.openai_clients import sync_client
from tests.integration.agent_runtime.processes import ModelServer
from tests.integration.agent_runtime.test_streaming import parse_events
from tests.integration.agent_runtime.test_tools import stdio
from tests.polling import eventually
from tests.stream_cases import chunk, events

EVENTS = {"Accept": "text/event-stream"}
FUNCTION = {"name": "t__add", "arguments": '{"a": 1, "b": 2}'}
CALL = {"id": "call_1", "type": "function", "function": FUNCTION}


@pytest.fixture(scope="module")
def server(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent without a prompt of its own that serves the Responses API."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server))).ready()


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer, server: AgentProcess) -> AgentProcess:
    """An agent with tools, whose default model is behind the Responses API, and with a model for embeddings."""
    openai_at = 'provider = "openai"\nbase_url = "{}/v1"\n'.format
    by_responses = openai_at(f"http://127.0.0.1:{server.port}") + 'name = "m"\nmodel = "gpt"\napi = "responses"'
    embedding = openai_at(shared_model_server.url) + 'name = "e"\nmodel = "small"\napi = "embeddings"'
    agent = start_shared_agent(agent_toml(embedding, by_responses, memory=stdio("t"))).ready()
    eventually("connected", lambda: agent.http.get("/health").json()["status"] == "healthy")
    return agent


def step(stream: bool, message: dict[str, Any], reason: str = "stop") -> dict[str, Any]:
    """Return a step of the model server that answers with this message."""
    if stream:
        calls = [call | {"index": n} for n, call in enumerate(message.get("tool_calls") or ())]
        return {"raw": events(chunk(message | ({"tool_calls": calls} if calls else {})), chunk({}, reason))}
    whole = json.loads(chunk(reason=reason))
    whole["choices"][0]["message"] = {"role": "assistant", "content": None} | message
    return {"json": whole}


def chat(agent: AgentProcess, stream: bool) -> tuple[str, dict[str, Any]]:
    """Send a message; return the text and the metadata of the answer."""
    response = agent.http.post("/api/chat", json={"message": "hi"}, headers=EVENTS if stream else {})
    if not stream:
        return response.json().get("response", ""), response.json()
    *deltas, (_, data) = parse_events(response.text)
    return "".join(delta["text"] for _, delta in deltas), data


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_comes_through_the_responses_api(
    agent: AgentProcess, server: AgentProcess, model_server: ModelServer, stream: bool
) -> None:
    """The other agent keeps nothing of it."""
    text, data = chat(agent, stream)

    assert text == "model: hi"
    assert (data["finish_reason"], data["usage"]["total_tokens"]) == ("stop", 14)
    body = model_server.seen("/chat/completions")[-1]["body"]
    assert body["messages"][0]["content"] == f"{PROMPT}\n\n{PROMPT}"
    assert [tool["function"]["name"] for tool in body["tools"]]
    assert server.log("request")[-1]["route"] == "/v1/responses"


@pytest.mark.parametrize("stream", [True, False])
def test_tools_run_in_the_agent(agent: AgentProcess, model_server: ModelServer, stream: bool) -> None:
    """Calls and results go through the Responses API, and so does the model's reasoning to the caller of it."""
    message = {"reasoning_content": "I add", "tool_calls": [CALL]}
    model_server.script(completions=[step(stream, message, "tool_calls")])

    text, _ = chat(agent, stream)

    assert text == "model: 3"
    *_, call, result = model_server.seen("/chat/completions")[-1]["body"]["messages"]
    assert call["tool_calls"][0]["function"] == FUNCTION
    assert (result["role"], result["content"]) == ("tool", "3")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_finish_reasons_come_through(agent: AgentProcess, model_server: ModelServer, reason: str, stream: bool) -> None:
    model_server.script(completions=[step(stream, {"content": "half"}, reason)])

    text, data = chat(agent, stream)

    assert (text, data["finish_reason"]) == ("half", reason)


def test_calls_of_the_callers_tools_come_through(agent: AgentProcess, model_server: ModelServer) -> None:
    """As chat completions with a stream."""
    model_server.script(completions=[step(True, {"tool_calls": [CALL]}, "tool_calls")])
    tool: Any = {"type": "function", "function": {"name": "t__add", "parameters": {"type": "object"}}}
    messages: Any = [{"role": "user", "content": "hi"}]

    with (
        sync_client(f"http://127.0.0.1:{agent.port}/v1") as client,
        client.chat.completions.stream(model="m", messages=messages, tools=[tool]) as helper,
    ):
        choice: Any = helper.get_final_completion().choices[0]

    assert choice.finish_reason == "tool_calls"
    assert choice.message.role == "assistant"
    assert choice.message.tool_calls[0].function.arguments == FUNCTION["arguments"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_refused_request_is_the_callers_error(agent: AgentProcess, model_server: ModelServer, stream: bool) -> None:
    refusal = {"status": 400, "json": {"error": {"code": "content_filter", "message": PROMPT}}}
    model_server.script(completions=[refusal])

    response = agent.http.post("/api/chat", json={"message": "hi"}, headers=EVENTS if stream else {})

    assert (response.status_code, response.json()["code"]) == (400, "content_filter")


def test_an_error_in_a_stream_fails_the_call(agent: AgentProcess, model_server: ModelServer) -> None:
    raw = events(chunk({"content": "half"}), '{"error": {"message": "secret words"}}')
    model_server.script(completions=[{"raw": raw}])

    _, problem = chat(agent, stream=True)

    assert (problem["status"], problem["code"]) == (502, "model_unavailable")


def test_embeddings_pass_through(agent: AgentProcess, model_server: ModelServer) -> None:
    """The client asks for base64 by default. The tokens count."""
    before = agent.metrics().get('agent_tokens_total{kind="prompt",model="e"}', 0)
    with sync_client(f"http://127.0.0.1:{agent.port}/v1") as client:
        found = client.embeddings.create(model="e", input=["one", USER_CANARY], dimensions=1)

        assert [item.embedding for item in found.data] == [[3.0], [float(len(USER_CANARY))]]
        assert found.usage.total_tokens == 7
        assert [model.id for model in client.models.list()] == ["e", "m"]
        with pytest.raises(openai.NotFoundError, match="use one of e"):
            client.embeddings.create(model="m", input="one")
        with pytest.raises(openai.NotFoundError, match="use one of m"):
            client.chat.completions.create(model="e", messages=[{"role": "user", "content": "x"}])
    body = model_server.seen("/embeddings")[-1]["body"]
    assert (body["model"], body["dimensions"], body["encoding_format"]) == ("small", 1, "base64")
    assert agent.metrics()['agent_tokens_total{kind="prompt",model="e"}'] - before == 7


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"input": 5}, 400), ({"input": "x", "model": "none"}, 404), ({"input": ["x" * 20_000] * 2}, 413)],
)
def test_an_invalid_request_for_embeddings_is_refused(agent: AgentProcess, body: dict[str, Any], status: int) -> None:
    assert agent.http.post("/v1/embeddings", json=body).status_code == status


def test_the_reason_of_a_refused_embedding_does_not_repeat_the_input(
    agent: AgentProcess, model_server: ModelServer
) -> None:
    """Neither to the caller nor in the log."""
    model_server.script(embeddings=[{"status": 400, "json": {"error": {"message": f"cannot embed {USER_CANARY}"}}}])

    response = agent.http.post("/v1/embeddings", json={"input": USER_CANARY})

    assert response.status_code == 400
    assert USER_CANARY not in agent.log_file.read_text()


def test_without_a_model_embeddings_are_not_found(server: AgentProcess) -> None:
    """The error names the remedy."""
    response = server.http.post("/v1/embeddings", json={"input": "x"})

    assert response.status_code == 404
    assert "configure one with the api embeddings" in response.text


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"prompt": {"id": "p"}, "conversation": "c", "background": True}, 200, None),
        ({"messages": [{"role": "user", "content": "hi", "reasoning_items": 5}]}, 400, "reasoning_items"),
        ({"tools": [1]}, 400, "tools[0]"),
        ({"tools": [{"type": "web_search"}]}, 400, "tools[0]"),
    ],
    ids=str,
)
def test_callers_get_only_the_agents_use_of_the_responses_api(
    agent: AgentProcess, fields: Any, status: int, param: str | None
) -> None:
    """The other agent would refuse the fields of the first case."""
    body: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]} | fields

    response = agent.http.post("/v1/chat/completions", json=body)

    assert (response.status_code, response.json().get("error", {}).get("param")) == (status, param)
