"""An agent with two models at two servers: fallbacks, keys, and health as callers experience it."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.integration.agent_runtime.conftest import CANARIES, USER_CANARY, AgentProcess, StartAgent, agent_toml
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually

TIMEOUT = 3
LIMITS = f"[agent.limits]\nrequest_timeout_seconds = {TIMEOUT}\n"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ModelServer, ModelServer]]:
    both = ModelServer(), ModelServer()
    yield both
    for server in both:
        server.stop()


def model(name: str, server: ModelServer, fields: str = "") -> str:
    return f'name = "{name}"\nprovider = "openai"\nbase_url = "{server.url}/v1"\n{fields}'


@pytest.fixture(scope="module")
def shared(start_shared_agent: StartAgent, servers: tuple[ModelServer, ModelServer]) -> AgentProcess:
    one, two = servers
    toml = agent_toml(model("a", one), model("b", two), memory=LIMITS)
    return start_shared_agent(toml.replace("[agent]", '[agent]\nfallbacks = ["b"]'), **CANARIES).ready()


@pytest.fixture
def agent(shared: AgentProcess, servers: tuple[ModelServer, ModelServer]) -> AgentProcess:
    """The agent, both of whose models answered the last call."""
    for server in servers:
        server.reset()
    for name in ("a", "b"):
        eventually("the circuit is closed", partial(answers, shared, name))
    for server in servers:
        server.reset()
    return shared


def answer(agent: AgentProcess, name: str = "a", content: str = "hi", **fields: object) -> dict[str, str]:
    body = {"model": name, "messages": [{"role": "user", "content": content}]} | fields
    found: dict[str, str] = agent.http.post("/v1/chat/completions", json=body).json()
    return found


def answers(agent: AgentProcess, name: str) -> bool:
    return answer(agent, name).get("model", "").startswith(f"{name}-")


def components(agent: AgentProcess) -> dict[str, tuple[str, str | None]]:
    report = agent.details().json()
    return {part["name"]: (part["status"], part.get("details", {}).get("reason")) for part in report["components"]}


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_never_answers_leaves_time_for_its_fallback(
    agent: AgentProcess, servers: tuple[ModelServer, ModelServer], stream: bool
) -> None:
    servers[0].script(completions=[{"hold": True, "always": True}])

    body = {"model": "a", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    response = agent.http.post("/v1/chat/completions", json=body)

    assert response.status_code == 200
    assert "hi" in response.text
    assert response.elapsed.total_seconds() < TIMEOUT
    assert components(agent) == {"a": ("unhealthy", "CallsFail"), "b": ("healthy", None)}
    assert agent.details().json()["status"] == "degraded"
    servers[0].reset()
    assert answer(agent)["model"].startswith("a-")
    eventually("a is healthy", lambda: components(agent)["a"] == ("healthy", None))


def test_a_successful_call_makes_a_model_healthy_whose_list_is_refused(
    agent: AgentProcess, servers: tuple[ModelServer, ModelServer]
) -> None:
    """A key of a project may call a model but not list all models."""
    servers[0].script(models=[{"status": 403, "always": True}])
    eventually("a is unhealthy", lambda: components(agent)["a"] == ("unhealthy", "CredentialsRefused"))

    assert answer(agent)["model"].startswith("a-")

    eventually("a is healthy", lambda: components(agent)["a"] == ("healthy", None))


@pytest.mark.parametrize(
    "step",
    [
        {"status": 402, "json": {"error": {"message": "Insufficient Balance", "type": "unknown_error"}}},
        {"status": 400, "json": {"error": {"code": "context_length_exceeded", "message": "too many"}}},
        {"status": 400, "json": {"object": "error", "message": "This model's maximum context length is 4096 tokens."}},
        {"status": 400, "json": {"error": {"code": 400, "message": "prompt is too long: 9 tokens > 8 maximum"}}},
        {"status": 413, "json": {"error": {"message": "Request too large"}}},
    ],
)
def test_a_request_that_another_model_may_accept_goes_to_the_fallback(
    agent: AgentProcess, servers: tuple[ModelServer, ModelServer], step: dict[str, object]
) -> None:
    servers[0].script(completions=[step])

    assert answer(agent)["model"].startswith("b-")


def test_the_caller_learns_that_its_request_is_too_long_for_all_models(
    agent: AgentProcess, servers: tuple[ModelServer, ModelServer]
) -> None:
    servers[0].script(completions=[{"status": 400, "json": {"error": {"code": "context_length_exceeded"}}}])
    servers[1].script(completions=[{"status": 503, "always": True}])

    response = agent.http.post("/api/chat", json={"message": "x"})

    assert (response.status_code, response.json()["code"]) == (400, "context_length_exceeded")


def test_the_reason_of_a_refused_request_reaches_the_caller_and_the_log(
    agent: AgentProcess, servers: tuple[ModelServer, ModelServer]
) -> None:
    reason = "Unsupported parameter: 'logprobs' is not supported with this model."
    servers[0].script(completions=[{"status": 400, "json": {"error": {"message": reason, "param": "logprobs"}}}])

    response = agent.http.post("/api/chat", json={"message": "x"})

    assert response.status_code == 400
    assert response.json()["detail"] == f"a: the model refused the request: {reason}"
    assert agent.log("the model refused a request")[-1]["reason"] == reason


def test_a_reason_that_quotes_the_message_reaches_nobody(
    agent: AgentProcess, servers: tuple[ModelServer, ModelServer]
) -> None:
    """The fixture checks the log for the canary."""
    servers[0].script(completions=[{"status": 400, "json": {"error": {"message": f"not allowed: {USER_CANARY}"}}}])

    response = agent.http.post("/api/chat", json={"message": f"Tell me about {USER_CANARY}, please"})

    assert response.json()["detail"] == "a: the model refused the request"


def test_two_vendors_get_only_their_own_keys(start_agent: StartAgent, servers: tuple[ModelServer, ModelServer]) -> None:
    """In requests and in probes. A file with a key usually ends with a newline."""
    own = 'api_key_from = { env = "OWN" }\nheaders_from = { X-Team = "TEAM" }'
    agent = start_agent(
        agent_toml(model("a", servers[0]), model("b", servers[1], own)), OWN="own\n", TEAM="red\r\n", **CANARIES
    )
    for server in servers:
        server.reset()

    assert [answer(agent, name)["model"][0] for name in "ab"] == ["a", "b"]

    eventually("they were probed", lambda: all(server.seen("/models") for server in servers))
    for server, key, team in zip(servers, (None, "Bearer own"), (None, "red"), strict=True):
        calls, everything = server.seen("/chat/completions"), server.seen("/v1/")
        assert [request["headers"].get("authorization") for request in calls] == [key]
        assert [request["headers"].get("x-team") for request in calls] == [team]
        # Another agent probes the servers, too, without a key.
        assert {request["headers"].get("authorization") for request in everything} <= {None, key}


def test_a_withheld_key_is_named(start_agent: StartAgent, servers: tuple[ModelServer, ModelServer]) -> None:
    for server in servers:
        server.reset()
    servers[1].script(models=[{"status": 401, "always": True}])

    agent = start_agent(agent_toml(model("a", servers[0]), model("b", servers[1])), **CANARIES).ready()

    eventually("the remedy is shown", lambda: "OPENAI_API_KEY is not sent to it" in agent.details().text)
