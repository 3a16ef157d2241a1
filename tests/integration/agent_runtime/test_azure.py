"""Azure OpenAI: its URLs, and its three kinds of credentials."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.agent_runtime.certificate import write_certificate
from tests.integration.agent_runtime.conftest import CANARIES, StartAgent, agent_toml, azure_model
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually

PATH = "/openai/deployments/gpt 4o/chat/completions"


@pytest.fixture
def entra(tmp_path: Path) -> Iterator[tuple[ModelServer, Path]]:
    """A fake Entra ID with TLS, which its client library requires, and the certificate to trust."""
    certificate = write_certificate(tmp_path / "entra.pem")
    server = ModelServer("--certificate", str(certificate), scheme="https")
    yield server, certificate
    server.stop()


def test_an_api_key(start_agent: StartAgent, model_server: ModelServer) -> None:
    """The key has its own header. The path contains the deployment, encoded once, and the query the API version."""
    key = CANARIES["AZURE_OPENAI_API_KEY"]
    agent = start_agent(
        agent_toml(azure_model()), AZURE_OPENAI_ENDPOINT=f"{model_server.url}/", AZURE_OPENAI_API_KEY=key
    ).ready()

    answer = agent.http.post("/api/chat", json={"message": "hi"})

    assert answer.json()["response"] == "model: hi"
    (seen,) = model_server.seen(PATH)
    assert seen["query"] == {"api-version": "2024-10-01-preview"}
    assert seen["headers"]["api-key"] == key
    assert "authorization" not in seen["headers"]


def test_a_client_secret(start_agent: StartAgent, model_server: ModelServer, entra: tuple[ModelServer, Path]) -> None:
    """The agent requests a token of Entra ID once and reuses it."""
    server, certificate = entra
    agent = start_agent(
        agent_toml(azure_model()),
        AZURE_OPENAI_ENDPOINT=model_server.url,
        AZURE_TENANT_ID="tenant",
        AZURE_CLIENT_ID="client",
        AZURE_CLIENT_SECRET=CANARIES["AZURE_CLIENT_SECRET"],
        AZURE_AUTHORITY_HOST=server.url,
        SSL_CERT_FILE=str(certificate),
    ).ready()

    for _ in range(3):
        assert agent.http.post("/api/chat", json={"message": "hi"}).status_code == 200

    assert model_server.seen(PATH)[0]["headers"]["authorization"] == "Bearer entra-1"
    (token_request,) = server.seen("/tenant/oauth2/v2.0/token")
    assert token_request["body"]["client_secret"] == CANARIES["AZURE_CLIENT_SECRET"]
    assert token_request["body"]["scope"] == "https://cognitiveservices.azure.com/.default"


def test_a_workload_identity(
    start_agent: StartAgent, model_server: ModelServer, entra: tuple[ModelServer, Path], tmp_path: Path
) -> None:
    """The agent exchanges the token of the service account for one of Entra ID."""
    server, certificate = entra
    federated = tmp_path / "token"
    federated.write_text("service-account-token")
    # The library renews a token five minutes before it expires, so every probe renews this one.
    server.script(token=[{"expires_in": 60}])
    agent = start_agent(
        agent_toml(azure_model()),
        AZURE_OPENAI_ENDPOINT=model_server.url,
        AZURE_TENANT_ID="tenant",
        AZURE_CLIENT_ID="client",
        AZURE_FEDERATED_TOKEN_FILE=str(federated),
        AZURE_AUTHORITY_HOST=server.url,
        SSL_CERT_FILE=str(certificate),
    ).ready()

    agent.http.post("/api/chat", json={"message": "hi"})

    assert model_server.seen(PATH)[0]["headers"]["authorization"].startswith("Bearer entra-")
    token_request = server.seen("/tenant/oauth2/v2.0/token")[0]["body"]
    assert token_request["client_assertion"] == "service-account-token"


def test_a_refusal_by_entra_id_names_the_variables(
    start_agent: StartAgent, model_server: ModelServer, entra: tuple[ModelServer, Path]
) -> None:
    """The pod is not ready. The reason does not quote Entra ID, whose message may contain a secret."""
    server, certificate = entra
    secret = CANARIES["AZURE_CLIENT_SECRET"]
    refusal = {"error": "invalid_client", "error_description": f"AADSTS7000215: Invalid client secret {secret}"}
    server.script(token=[{"status": 401, "json": refusal, "always": True}])
    agent = start_agent(
        agent_toml(azure_model()),
        AZURE_OPENAI_ENDPOINT=model_server.url,
        AZURE_TENANT_ID="tenant",
        AZURE_CLIENT_ID="client",
        AZURE_CLIENT_SECRET=secret,
        AZURE_AUTHORITY_HOST=server.url,
        SSL_CERT_FILE=str(certificate),
    )

    eventually("the reason is shown", lambda: "check AZURE_TENANT_ID" in agent.details("/health/ready").text)
