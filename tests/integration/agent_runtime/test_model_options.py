"""Models with parameters, times, certificates, probes and URLs of their own, at one server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.agent_runtime.certificate import write_certificate
from tests.integration.agent_runtime.conftest import CANARIES, AgentProcess, StartAgent, agent_toml
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually

BODY = {"messages": [{"role": "user", "content": "hi"}]}
OPTIONS = {
    "tuned": 'parameters = {temperature = 0.5, max_tokens = 50, stop = ["x"], extra = {top_k = 3, guard = {a = true}}}',
    "whole": "streaming = false",
    "unlisted": 'probe = "none"',
    "asked": 'probe = "chat"',
    "hasty": "timeouts = {first_byte_seconds = 0.3}",
    "brief": "timeouts = {total_seconds = 0.5}",
}


@pytest.fixture(scope="module")
def shared(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    shared_model_server.reset()
    url = f"{shared_model_server.url}/v1"
    plain = f'name = "plain"\nprovider = "openai"\nbase_url = "{url}/?api-version=1"'
    others = [f'name = "{name}"\nprovider = "openai"\nbase_url = "{url}"\n{it}' for name, it in OPTIONS.items()]
    return start_shared_agent(agent_toml(plain, *others), **CANARIES).ready()


@pytest.fixture
def agent(shared: AgentProcess, model_server: ModelServer) -> AgentProcess:
    return shared


def test_a_query_of_the_base_url_is_sent_with_calls_and_probes(agent: AgentProcess, model_server: ModelServer) -> None:
    assert agent.http.post("/v1/chat/completions", json=BODY | {"model": "plain"}).is_success

    assert model_server.seen("/v1/chat/completions")[0]["query"] == {"api-version": "1"}
    eventually("it was probed", lambda: {"api-version": "1"} in [it["query"] for it in model_server.seen("/v1/models")])


def test_parameters_are_sent_and_the_callers_take_precedence(agent: AgentProcess, model_server: ModelServer) -> None:
    for fields in ({}, {"temperature": 1, "max_tokens": 5000, "top_k": 1}):
        assert agent.http.post("/v1/chat/completions", json=BODY | {"model": "tuned"} | fields).is_success

    given = {"temperature": 0.5, "max_tokens": 50, "stop": ["x"], "top_k": 3, "guard": {"a": True}}
    sent = [request["body"] for request in model_server.seen("/chat/completions")]
    assert [{name: body[name] for name in given} for body in sent] == [given, given | {"temperature": 1, "top_k": 1}]


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_refuses_max_tokens_gets_the_newer_field(
    agent: AgentProcess, model_server: ModelServer, stream: bool
) -> None:
    """Reasoning models of Azure OpenAI and of gateways refuse max_tokens; older servers do not know the other."""
    refused = {"refuse": ["max_tokens"], "always": True}
    model_server.script(completions=[refused])
    assert agent.http.post("/v1/chat/completions", json=BODY | {"model": "tuned", "stream": stream}).is_success
    assert agent.http.post("/v1/chat/completions", json=BODY | {"model": "tuned", "stream": stream}).is_success

    bodies = [request["body"] for request in model_server.seen("/chat/completions")]
    assert [body.get("max_completion_tokens") for body in bodies] == [None, 50, 50]
    model_server.script(completions=[{"refuse": ["max_completion_tokens"]}])
    assert agent.http.post("/v1/chat/completions", json=BODY | {"model": "tuned"}).is_success
    own = agent.http.post("/v1/chat/completions", json=BODY | {"model": "tuned", "max_tokens": 9})
    assert own.is_success


def test_the_other_field_is_remembered_only_if_it_was_accepted(agent: AgentProcess, model_server: ModelServer) -> None:
    """One refused request does not change the field of other callers."""
    too_long = {"error": {"message": "the context length is 9 tokens: reduce the prompt or max_tokens"}}
    steps: list[dict[str, object]] = [{"refuse": ["max_tokens"]}, {"status": 400}, {"status": 400, "json": too_long}]
    model_server.script(completions=steps)
    for succeeds in (False, False, True):
        fields = {"model": "tuned", "max_completion_tokens": 7}
        assert agent.http.post("/v1/chat/completions", json=BODY | fields).is_success == succeeds

    bodies = [request["body"] for request in model_server.seen("/chat/completions")]
    names = ("max_tokens", "max_completion_tokens")
    sent = [tuple(body.get(name) for name in names) for body in bodies]
    assert sent == [(7, None), (None, 7), (7, None), (7, None)]


def test_a_model_that_must_not_stream_gets_no_stream(agent: AgentProcess, model_server: ModelServer) -> None:
    response = agent.http.post("/v1/chat/completions", json=BODY | {"model": "whole", "stream": True})

    assert response.headers["content-type"].startswith("text/event-stream")
    assert "model: hi" in response.text
    assert response.text.rstrip().endswith("[DONE]")
    assert "stream" not in model_server.seen("/chat/completions")[0]["body"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["hasty", "brief"])
def test_a_model_may_have_less_time_than_the_request(
    agent: AgentProcess, model_server: ModelServer, name: str, stream: bool
) -> None:
    eventually(
        "the circuit is closed",
        lambda: agent.http.post("/v1/chat/completions", json=BODY | {"model": name}).is_success,
    )
    model_server.script(completions=[{"hold": True}])

    response = agent.http.post("/v1/chat/completions", json=BODY | {"model": name, "stream": stream})

    assert "model_timeout" in response.text
    assert response.elapsed.total_seconds() < 5


def test_a_stream_whose_first_chunk_is_late_ends(agent: AgentProcess, model_server: ModelServer) -> None:
    """Servers send the headers of a stream at once, and the first chunk when the prompt is read."""
    model_server.script(completions=[{"step_by_step": True}])

    response = agent.http.post("/v1/chat/completions", json=BODY | {"model": "hasty", "stream": True})

    assert "model_timeout" in response.text


def test_probes_differ(agent: AgentProcess, model_server: ModelServer) -> None:
    """A server that refuses to list its models is unhealthy only for models that are probed in this way."""
    model_server.script(models=[{"status": 403, "always": True}])

    def healthy() -> set[str]:
        return {part["name"] for part in agent.details().json()["components"] if part["status"] == "healthy"}

    eventually("the list is refused", lambda: healthy() == {"unlisted", "asked"})


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelServer, Path]]:
    certificate = write_certificate(tmp_path_factory.mktemp("certificate") / "ca.pem")
    server = ModelServer("--certificate", str(certificate), scheme="https")
    yield server, certificate
    server.stop()


def test_a_model_trusts_its_own_authorities(start_agent: StartAgent, tls_server: tuple[ModelServer, Path]) -> None:
    """Other models do not trust them."""
    server, certificate = tls_server
    url = f'provider = "openai"\nbase_url = "{server.url}/v1"'
    trusting = f'name = "trusting"\n{url}\ntls = {{ca_file = "{certificate}"}}'
    missing = f'name = "missing"\n{url}\ntls = {{ca_file = "/nowhere/ca.crt"}}'
    agent = start_agent(agent_toml(trusting, f'name = "other"\n{url}', missing)).ready()

    assert agent.http.post("/v1/chat/completions", json=BODY | {"model": "trusting"}).is_success

    parts = {part["name"]: part.get("details", {}) for part in agent.details().json()["components"]}
    assert parts["other"]["reason"] == "CertificateUntrusted"
    assert parts["missing"]["error"] == "tls.caFile: /nowhere/ca.crt: No such file or directory: correct it"
