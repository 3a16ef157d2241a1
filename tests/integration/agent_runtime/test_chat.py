"""The chat API with the memory of the process."""

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
from tests.integration.agent_runtime.processes import ModelServer


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent whose default model is an echo model, with a model on the fake model server."""
    return start_shared_agent(agent_toml(ECHO, openai_model(shared_model_server))).ready()


def test_a_session_is_remembered_shown_and_deleted(agent: AgentProcess, model_server: ModelServer) -> None:
    """The model gets the first message and its answer before the second message."""
    first = agent.http.post("/api/chat", json={"message": "one", "model": "gpt"}).json()
    session_id = first["session_id"]
    second = agent.http.post("/api/chat", json={"message": "two", "model": "gpt", "session_id": session_id}).json()

    assert first["response"] == "model: one"
    assert first["model"] == "gpt"
    assert first["usage"]["total_tokens"] == 14
    assert second["session_id"] == session_id
    assert model_server.seen("/chat/completions")[1]["body"]["messages"] == [
        {"role": "system", "content": PROMPT},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "model: one"},
        {"role": "user", "content": "two"},
    ]
    session = agent.http.get(f"/api/sessions/{session_id}").json()
    assert [message["content"] for message in session["messages"]] == ["one", "model: one", "two", "model: two"]
    assert agent.http.delete(f"/api/sessions/{session_id}").status_code == 204
    assert agent.http.get(f"/api/sessions/{session_id}").json()["code"] == "session_not_found"
    assert agent.http.delete(f"/api/sessions/{session_id}").status_code == 404


def test_a_message_without_a_session_id_starts_a_session(agent: AgentProcess) -> None:
    """Two such messages belong to different sessions."""
    answers = [agent.http.post("/api/chat", json={"message": "hi"}).json() for _ in range(2)]

    assert answers[0]["session_id"] != answers[1]["session_id"]


def test_a_failed_turn_is_not_stored(agent: AgentProcess, model_server: ModelServer) -> None:
    """If the model fails, the session contains neither the message nor an answer."""
    model_server.script(completions=[{"status": 500, "always": True}])

    failed = agent.http.post("/api/chat", json={"message": "x", "model": "gpt", "session_id": "failing"})

    assert failed.status_code == 502
    assert failed.headers["content-type"].startswith("application/problem+json")
    assert failed.json()["code"] == "model_unavailable"
    assert agent.http.get("/api/sessions/failing").status_code == 404


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "invalid_request", "message"),
        ({"message": ""}, "invalid_request", "message"),
        ({"message": 1}, "invalid_request", "message"),
        ({"message": "x", "session_id": "x\n"}, "invalid_request", "session_id"),
        ({"message": "x", "sesion_id": "x"}, "invalid_request", "sesion_id"),
        ({"message": "x", "model": "gpt-9"}, "model_not_found", "model"),
    ],
)
def test_an_invalid_request_names_the_field(
    agent: AgentProcess, body: dict[str, object], code: str, param: str
) -> None:
    """The error has a stable code, and `param` is the field."""
    response = agent.http.post("/api/chat", json=body)

    problem = response.json()
    assert response.status_code in {400, 404}
    assert (problem["status"], problem["code"], problem["param"]) == (response.status_code, code, param)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("GET", "/api/chat", 405, "method_not_allowed")],
)
def test_an_unknown_route_or_method_gets_json(
    agent: AgentProcess, method: str, path: str, status: int, code: str
) -> None:
    """The error is not the plain text of aiohttp."""
    response = agent.http.request(method, path)

    assert (response.status_code, response.json()["code"]) == (status, code)


def test_a_safe_request_id_is_kept(agent: AgentProcess) -> None:
    """The response and the log contain it. An unsafe request id is replaced."""
    kept = agent.http.get("/health/live", headers={"X-Request-Id": "abc-1"})
    replaced = agent.http.get("/health/live", headers={"X-Request-Id": 'a"b{}'})

    assert kept.headers["x-request-id"] == "abc-1"
    assert replaced.headers["x-request-id"] != 'a"b{}'
    assert any(line.get("request_id") == "abc-1" for line in agent.log("request"))


def test_logs_contain_only_the_pseudonym_of_a_session(agent: AgentProcess) -> None:
    """A request has one log line, without the id of the session and without messages."""
    agent.http.post("/api/chat", json={"message": USER_CANARY, "session_id": "my-own-session"})

    line = agent.log("request")[-1]
    assert {"request_id", "method", "route", "status", "duration_ms", "session"} <= line.keys()
    assert "my-own-session" not in agent.log_file.read_text()
