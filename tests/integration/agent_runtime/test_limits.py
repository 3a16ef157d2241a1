"""Limits, token budget and API keys of a running agent."""

from pathlib import Path

from tests.integration.agent_runtime.conftest import CANARIES, ECHO, StartAgent, agent_toml, openai_model, redis_memory
from tests.integration.agent_runtime.processes import ModelServer, RedisServer
from tests.patience import free_port
from tests.polling import eventually

HI = {"message": "hi"}


def echo_toml(*tables: str) -> str:
    """Return an agent.toml with an echo model and these tables."""
    return agent_toml(ECHO, memory="\n".join(tables))


def test_requests_over_the_rate_are_refused(start_agent: StartAgent) -> None:
    """The error is a 429 with Retry-After in both formats. Probes are not limited."""
    agent = start_agent(echo_toml("[agent.limits]", "requests_per_minute = 2")).ready()

    statuses = [agent.http.post("/api/chat", json=HI).status_code for _ in range(3)]
    refused = agent.http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}]})

    assert statuses == [200, 200, 429]
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(refused.headers["retry-after"]) >= 1
    assert agent.http.get("/health/ready").status_code == 200


def test_concurrent_requests_over_the_limit_are_refused(start_agent: StartAgent, model_server: ModelServer) -> None:
    """The error is a 503 with Retry-After. After another request has ended, a retry succeeds."""
    table = "[agent.limits]\nmax_concurrent_requests = 1"
    agent = start_agent(agent_toml(openai_model(model_server), ECHO, memory=table)).ready()
    model_server.script(completions=[{"step_by_step": True}])
    body = {"messages": [{"role": "user", "content": "x"}], "stream": True}

    model_server.go()
    with agent.http.stream("POST", "/v1/chat/completions", json=body) as response:
        lines = response.iter_lines()
        next(lines)
        refused = agent.http.post("/api/chat", json=HI | {"model": "echo"})
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "overloaded", "1")

    eventually("a retry succeeds", lambda: agent.http.post("/api/chat", json=HI | {"model": "echo"}).status_code == 200)


def test_a_request_times_out(start_agent: StartAgent, model_server: ModelServer) -> None:
    """The error is a 504, and the model call is closed."""
    table = "[agent.limits]\nrequest_timeout_seconds = 1"
    agent = start_agent(agent_toml(openai_model(model_server), memory=table)).ready()
    model_server.script(completions=[{"delay": 60}])

    response = agent.http.post("/api/chat", json=HI)

    assert (response.status_code, response.json()["code"]) == (504, "model_timeout")
    eventually("the model call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])


def test_input_over_the_limit_is_refused(start_agent: StartAgent) -> None:
    """max_input_chars limits the length of a message."""
    agent = start_agent(echo_toml("[agent.limits]", "max_input_chars = 3")).ready()

    response = agent.http.post("/api/chat", json={"message": "four"})

    assert (response.status_code, response.json()["code"]) == (413, "input_too_long")


def test_replicas_share_the_token_budget(start_agent: StartAgent, redis_server: RedisServer) -> None:
    """After one replica has used up the budget, both refuse requests until midnight."""
    tables = redis_memory(redis_server) + "[agent.budget]\ntokens_per_day = 20"
    one, other = (
        start_agent(agent_toml(ECHO, memory=tables), REDIS_PASSWORD=CANARIES["REDIS_PASSWORD"]).ready() for _ in "ab"
    )

    assert one.http.post("/api/chat", json={"message": "word " * 20}).status_code == 200

    eventually("the other replica knows", lambda: other.http.post("/api/chat", json=HI).status_code == 429)
    refused = one.http.post("/api/chat", json=HI)
    assert refused.json()["code"] == "budget_spent"
    assert 1 <= int(refused.headers["retry-after"]) <= 86_400


def test_api_keys_guard_the_api_and_separate_sessions(start_agent: StartAgent, tmp_path: Path) -> None:
    """A caller sees only its own sessions. A removed key is refused without a restart."""
    keys = tmp_path / "keys"
    keys.write_text("sk-canary-openai-3c1f\ntwo\n")
    agent = start_agent(echo_toml("[agent.server]", f'api_keys_file = "{keys}"')).ready()
    one, two = ({"Authorization": f"Bearer {key}"} for key in ("sk-canary-openai-3c1f", "two"))

    for path in ("/v1/models", "/api/sessions/s", "/v1/nowhere"):
        refused = agent.http.get(path)
        assert refused.status_code == 401
    assert agent.http.post("/api/chat", json=HI | {"session_id": "s"}, headers=one).status_code == 200
    assert agent.http.get("/api/sessions/s", headers=one).status_code == 200
    assert agent.http.get("/api/sessions/s", headers=two).status_code == 404

    keys.write_text("three\n")
    eventually("the removed key is refused", lambda: agent.http.get("/v1/models", headers=two).status_code == 401)


def test_a_fallback_answers_if_the_model_is_down(start_agent: StartAgent) -> None:
    """The response names the model that answered."""
    unreachable = f'name = "dead"\nprovider = "openai"\nbase_url = "http://127.0.0.1:{free_port()}/v1"'
    config = agent_toml(unreachable, ECHO).replace("[agent]", '[agent]\nfallbacks = ["echo"]')
    agent = start_agent(config)

    response = agent.http.post("/api/chat", json=HI).json()

    assert (response["response"], response["model"]) == ("hi", "echo")
