"""An agent whose model is another agent: it sends a token from a file, which the kubelet renews."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml
from tests.integration.agent_runtime.issuer_server import AUDIENCE, IssuerServer
from tests.polling import eventually

SUBJECT = "system:serviceaccount:team-a:caller"


@pytest.fixture(scope="module")
def issuer() -> Iterator[IssuerServer]:
    """The issuer of the tokens of ServiceAccounts."""
    server = IssuerServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: Any) -> Path:
    """The file that the kubelet writes."""
    return Path(tmp_path_factory.mktemp("tokens")) / "model-0"


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, issuer: IssuerServer, token_file: Path) -> AgentProcess:
    """The calling agent, with the called one behind it."""
    table = (
        f'[agent.auth.jwt]\nissuer = "{issuer.url}"\naudiences = ["{AUDIENCE}"]\n'
        'subjects = ["system:serviceaccount:team-a:*"]\n'
    )
    called = start_shared_agent(agent_toml(ECHO, memory=table)).ready()
    token_file.write_text(issuer.token(sub=SUBJECT) + "\n")
    model = (
        f'name = "other"\nprovider = "openai"\nmodel = "echo"\nbase_url = "http://127.0.0.1:{called.port}/v1"\n'
        f'api_key_from = {{file = "{token_file}"}}'
    )
    return start_shared_agent(agent_toml(model)).ready()


def component(agent: AgentProcess) -> dict[str, Any]:
    """Return the health of the model."""
    (found,) = agent.details().json()["components"]
    return dict(found)


def test_an_agent_calls_another_one_with_a_token(agent: AgentProcess) -> None:
    """Nothing is shared but the issuer."""
    assert agent.http.post("/api/chat", json={"message": "hi"}).json()["response"] == "hi"


@pytest.mark.parametrize("claims", [{"aud": "another"}, {"sub": "system:serviceaccount:team-b:x"}, None], ids=str)
def test_a_renewed_token_is_used_without_a_restart(
    agent: AgentProcess, issuer: IssuerServer, token_file: Path, claims: dict[str, Any] | None
) -> None:
    """A token that the other agent refuses, or a missing file, is a fault of the component."""
    if claims is None:
        token_file.unlink()
    else:
        token_file.write_text(issuer.token(**({"sub": SUBJECT} | claims)))
    eventually("the fault is reported", lambda: component(agent)["status"] == "unhealthy")

    token_file.write_text(issuer.token(sub=SUBJECT))

    eventually("the new token is used", lambda: component(agent)["status"] == "healthy")
    assert agent.http.post("/api/chat", json={"message": "hi"}).status_code == 200
