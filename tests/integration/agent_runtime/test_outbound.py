"""A proxy and an authority of a company apply to models, MCP servers and Microsoft Entra ID."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.agent_runtime.certificate import write_certificate
from tests.integration.agent_runtime.conftest import (
    CANARIES,
    ECHO,
    AgentProcess,
    StartAgent,
    agent_toml,
    azure_model,
    openai_model,
)
from tests.integration.agent_runtime.processes import ModelServer
from tests.integration.agent_runtime.proxy_server import proxy_server
from tests.patience import free_port
from tests.polling import eventually

TOOL_SERVER = Path(__file__).parent / "tool_server.py"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path / "server.pem")


@pytest.fixture
def authority(certificate: Path, tmp_path: Path) -> Path:
    """The certificate without its key, as in a ConfigMap."""
    path = tmp_path / "ca.crt"
    path.write_text(certificate.read_text().partition("-----BEGIN PRIVATE KEY")[0])
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[ModelServer]:
    server = ModelServer("--certificate", str(certificate), scheme="https")
    yield server
    server.stop()


@pytest.fixture
def tool_port() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(TOOL_SERVER), str(port)], env=os.environ, stderr=subprocess.DEVNULL)
    yield port
    process.kill()
    process.wait()


def assert_model_and_tools_work(
    start_agent: StartAgent, model: ModelServer, tool_port: int, **environment: str
) -> AgentProcess:
    """Start an agent that calls a model and an MCP server, and return it."""
    table = f'[[agent.mcp]]\nname = "t"\ntype = "http"\nurl = "http://127.0.0.1:{tool_port}/mcp"'
    agent = start_agent(agent_toml(openai_model(model), memory=table), **environment).ready()
    assert agent.http.post("/api/chat", json={"message": "hi"}).json()["response"] == "model: hi"
    eventually("the tools are listed", lambda: agent.http.get("/health").json()["status"] == "healthy")
    return agent


def test_a_model_and_an_mcp_server_are_reached_through_the_proxy_with_the_authority(
    start_agent: StartAgent, tls_server: ModelServer, authority: Path, tool_port: int
) -> None:
    with proxy_server() as proxy:
        variables = {"HTTPS_PROXY": proxy.url, "HTTP_PROXY": proxy.url, "TRUSTED_CA_FILE": str(authority)}
        agent = assert_model_and_tools_work(start_agent, tls_server, tool_port, **variables)
        assert {target.partition("/v1")[0] for target in proxy.targets} >= {
            f"CONNECT 127.0.0.1:{tls_server.url.rpartition(':')[2]}",
            f"POST http://127.0.0.1:{tool_port}/mcp",
        }
        assert agent.terminate() == 0


def test_hosts_of_no_proxy_are_reached_directly(
    start_agent: StartAgent, tls_server: ModelServer, authority: Path, tool_port: int
) -> None:
    with proxy_server() as proxy:
        variables = {"HTTPS_PROXY": proxy.url, "HTTP_PROXY": proxy.url, "TRUSTED_CA_FILE": str(authority)}
        variables["NO_PROXY"] = "localhost,127.0.0.1,.svc"
        assert_model_and_tools_work(start_agent, tls_server, tool_port, **variables)
        assert proxy.targets == []


def test_a_token_of_entra_id_is_requested_with_the_authority(
    start_agent: StartAgent, model_server: ModelServer, tls_server: ModelServer, authority: Path
) -> None:
    agent = start_agent(
        agent_toml(azure_model()),
        AZURE_OPENAI_ENDPOINT=model_server.url,
        AZURE_TENANT_ID="tenant",
        AZURE_CLIENT_ID="client",
        AZURE_CLIENT_SECRET=CANARIES["AZURE_CLIENT_SECRET"],
        AZURE_AUTHORITY_HOST=tls_server.url,
        TRUSTED_CA_FILE=str(authority),
    ).ready()

    assert agent.http.post("/api/chat", json={"message": "hi"}).status_code == 200
    assert tls_server.seen("/tenant/oauth2/v2.0/token")


@pytest.mark.parametrize(
    ("content", "reason"), [("no certificate", "contains no valid certificates"), (None, "No such")]
)
def test_an_unusable_authority_is_an_error_of_the_config(tmp_path: Path, content: str | None, reason: str) -> None:
    config, authority = tmp_path / "agent.toml", tmp_path / "ca.crt"
    config.write_text(agent_toml(ECHO))
    if content is not None:
        authority.write_text(content)
    (tmp_path / "system_prompt.txt").write_text("Be kind.")
    command = [sys.executable, "-m", "agent_runtime", "serve", "--config", str(config)]
    environment = os.environ | {"TRUSTED_CA_FILE": str(authority), "PORT_HTTP": "0", "PORT_METRICS": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "TRUSTED_CA_FILE" in done.stderr
    assert reason in done.stderr
    assert "spec.trustedCA" in done.stderr
