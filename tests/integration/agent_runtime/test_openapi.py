"""/openapi.json describes the agent: schemathesis tests requests that it allows and requests that it forbids."""

import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web

from agent_runtime.app import create_app
from agent_runtime.config import AgentFile
from agent_runtime.environment import Environment
from agent_runtime.http.openapi.document import build_document
from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml

KEY = "key-one"
# An error of JSON-RPC has the status 200.
SCHEMATHESIS = """
[[operations]]
include-path = "/a2a"
[operations.checks]
negative_data_rejection.enabled = false
# This agent has no model for embeddings.
[[operations]]
include-path = "/v1/embeddings"
warnings = false
"""


@pytest.fixture
def agent(start_agent: StartAgent, tmp_path: Path) -> AgentProcess:
    """An agent with all endpoints, which requires an API key."""
    (tmp_path / "keys").write_text(KEY)
    page, keys = "[agent.chat_page]\nenabled = true\n", f'[agent.server]\napi_keys_file = "{tmp_path / "keys"}"\n'
    return start_agent(agent_toml(ECHO) + page + keys).ready()


def test_every_response_matches_the_document(agent: AgentProcess, tmp_path: Path) -> None:
    """There is no 5xx, no undocumented status, header, content type or field, and no response without a key."""
    program = Path(sys.executable).parent / "schemathesis"
    assert program.exists(), "schemathesis is missing: it is in the dependency group test"
    (tmp_path / "schemathesis.toml").write_text(SCHEMATHESIS)
    command: list[str | Path] = [
        program,
        "--config-file",
        tmp_path / "schemathesis.toml",
        "run",
        f"http://127.0.0.1:{agent.port}/openapi.json",
    ]
    options = ["--max-examples=20", "--seed=1", "--no-color", f"--header=Authorization: Bearer {KEY}"]

    run = subprocess.run([*command, *options], cwd=tmp_path, check=False, capture_output=True, text=True)

    assert run.returncode == 0, run.stdout
    assert "No issues found" in run.stdout, run.stdout
    assert agent.http.get("/health/live").status_code == 200


def test_the_document_lists_exactly_the_routes(tmp_path: Path) -> None:
    """A new route must be documented."""
    config = {"models": [{"name": "m", "provider": "echo"}], "chat_page": {"enabled": True}}
    section = AgentFile.model_validate({"agent": config}).agent
    app = create_app(section, "", Environment())

    served = {(route.method.lower(), _pattern(route)) for route in app.router.routes() if route.method != "HEAD"}
    documented = {
        (method, path) for path, methods in build_document(app, section)["paths"].items() for method in methods
    }

    assert documented == served


def test_the_document_omits_what_the_config_disables(start_agent: StartAgent) -> None:
    """Without chat_page there is no page, and without API keys there is no security scheme."""
    agent = start_agent(agent_toml(ECHO)).ready()

    document = agent.http.get("/openapi.json").json()

    assert "/" not in document["paths"]
    assert "securitySchemes" not in document["components"]


def _pattern(route: web.AbstractRoute) -> str:
    assert route.resource is not None
    return route.resource.canonical
