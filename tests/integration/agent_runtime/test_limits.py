"""Limits, budget, keys and origins of a running agent."""

from pathlib import Path

import pytest

from tests.integration.agent_runtime.conftest import (
    CANARIES,
    ECHO,
    ModelServer,
    RedisServer,
    StartAgent,
    agent_toml,
    eventually,
    free_port,
    openai_model,
    redis_memory,
)

HI = {"message": "hi"}


def with_tables(*tables: str) -> str:
    """An echo agent with these tables."""
    return agent_toml(ECHO, memory="\n".join(tables))


def test_requests_a_minute(start_agent: StartAgent) -> None:
    """429 in both forms with Retry-After; probes are never limited."""
    agent = start_agent(with_tables("[agent.limits]", "requests_per_minute = 2")).ready()

    statuses = [agent.http.post("/api/chat", json=HI).status_code for _ in range(3)]
    refused = agent.http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}]})

    assert statuses == [200, 200, 429]
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(refused.headers["retry-after"]) >= 1
    assert agent.http.get("/health/ready").status_code == 200


def test_concurrent_requests(start_agent: StartAgent, model_server: ModelServer) -> None:
    """One too many gets 503 at once and may come back; then it is answered."""
    table = "[agent.limits]\nmax_concurrent_requests = 1"
    agent = start_agent(agent_toml(openai_model(model_server), ECHO, memory=table)).ready()
    model_server.script(completions=[{"step_by_step": True}])
    body = {"messages": [{"role": "user", "content": "x"}], "stream": True}

    model_server.go()
    with agent.http.stream("POST", "/v1/chat/completions", json=body) as response:
        lines = response.iter_lines()
        next(lines)
        shed = agent.http.post("/api/chat", json=HI | {"model": "echo"})
        assert (shed.status_code, shed.json()["code"], shed.headers["retry-after"]) == (503, "overloaded", "1")

    eventually("there is room", lambda: agent.http.post("/api/chat", json=HI | {"model": "echo"}).status_code == 200)


def test_the_deadline_of_a_request(start_agent: StartAgent, model_server: ModelServer) -> None:
    """504, and the upstream call is closed."""
    table = "[agent.limits]\nrequest_timeout_seconds = 1"
    agent = start_agent(agent_toml(openai_model(model_server), memory=table)).ready()
    model_server.script(completions=[{"delay": 60}])

    response = agent.http.post("/api/chat", json=HI)

    assert (response.status_code, response.json()["code"]) == (504, "model_timeout")
    eventually("the upstream call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])


def test_input_over_the_limit(start_agent: StartAgent) -> None:
    """413 in words that tell both numbers."""
    agent = start_agent(with_tables("[agent.limits]", "max_input_chars = 3")).ready()

    response = agent.http.post("/api/chat", json={"message": "four"})

    assert (response.status_code, response.json()["code"]) == (413, "input_too_long")


def test_the_budget_is_that_of_all_replicas(start_agent: StartAgent, redis_server: RedisServer) -> None:
    """What one replica used up, the other has not; both say when the next begins."""
    tables = redis_memory(redis_server) + "[agent.budget]\ntokens_per_day = 20"
    one, other = (
        start_agent(agent_toml(ECHO, memory=tables), REDIS_PASSWORD=CANARIES["REDIS_PASSWORD"]).ready() for _ in "ab"
    )

    assert one.http.post("/api/chat", json={"message": "word " * 20}).status_code == 200

    eventually("the other knows", lambda: other.http.post("/api/chat", json=HI).status_code == 429)
    spent = one.http.post("/api/chat", json=HI)
    assert spent.json()["code"] == "budget_spent"
    assert 1 <= int(spent.headers["retry-after"]) <= 86_400


def test_api_keys(start_agent: StartAgent, tmp_path: Path) -> None:
    """401 without; a caller sees only its own sessions; a changed file counts at once; health is for all."""
    keys = tmp_path / "keys"
    keys.write_text("sk-canary-openai-3c1f\ntwo\n")
    agent = start_agent(with_tables("[agent.server]", f'api_keys_file = "{keys}"')).ready()
    one, two = ({"Authorization": f"Bearer {key}"} for key in ("sk-canary-openai-3c1f", "two"))

    for path in ("/v1/models", "/api/sessions/s", "/v1/nowhere"):
        refused = agent.http.get(path)
        assert refused.status_code == 401
    assert agent.http.post("/api/chat", json=HI | {"session_id": "s"}, headers=one).status_code == 200
    assert agent.http.get("/api/sessions/s", headers=one).status_code == 200
    assert agent.http.get("/api/sessions/s", headers=two).status_code == 404

    keys.write_text("three\n")
    eventually("two is out", lambda: agent.http.get("/v1/models", headers=two).status_code == 401)


@pytest.mark.parametrize(("allowed", "marked"), [("https://app.example.com", True), ("https://other.example", False)])
def test_cors(start_agent: StartAgent, allowed: str, marked: bool) -> None:
    """Answers, streams and errors are marked for the origins that are allowed, and for no others."""
    origin = {"Origin": "https://app.example.com"}
    agent = start_agent(with_tables("[agent.server]", f'cors_origins = ["{allowed}"]')).ready()

    preflight = agent.http.options("/api/chat", headers=origin | {"Access-Control-Request-Method": "POST"})
    answers = [
        agent.http.post("/api/chat", json=HI, headers=origin),
        agent.http.post("/api/chat", json=HI, headers=origin | {"Accept": "text/event-stream"}),
        agent.http.post("/api/chat", json={}, headers=origin),
    ]

    assert preflight.status_code == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
    for answer in (preflight, *answers):
        assert (answer.headers.get("access-control-allow-origin") == "https://app.example.com") is marked


def test_a_fallback_answers_for_a_model_that_is_down(start_agent: StartAgent) -> None:
    """And the answer says which model it was."""
    dead = f'name = "dead"\nprovider = "openai"\nbase_url = "http://127.0.0.1:{free_port()}/v1"'
    config = agent_toml(dead, ECHO).replace("[agent]", '[agent]\nfallbacks = ["echo"]')
    agent = start_agent(config)

    answer = agent.http.post("/api/chat", json=HI).json()

    assert (answer["response"], answer["model"]) == ("hi", "echo")
