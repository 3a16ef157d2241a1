"""/openapi.json tells the truth: schemathesis asks whatever it allows, and some of what it does not."""

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
# JSON-RPC tells its errors with 200.
SCHEMATHESIS = """
[[operations]]
include-path = "/a2a"
[operations.checks]
negative_data_rejection.enabled = false
"""


@pytest.fixture
def agent(start_agent: StartAgent, tmp_path: Path) -> AgentProcess:
    """An agent with every endpoint, which asks for a key."""
    (tmp_path / "keys").write_text(KEY)
    page, keys = "[agent.chat_page]\nenabled = true\n", f'[agent.server]\napi_keys_file = "{tmp_path / "keys"}"\n'
    return start_agent(agent_toml(ECHO) + page + keys).ready()


def test_every_answer_is_as_described(agent: AgentProcess, tmp_path: Path) -> None:
    """No 5xx, no status, header, content type or field that the document does not tell; no key, no answer."""
    program = Path(sys.executable).parent / "schemathesis"
    assert program.exists(), "schemathesis is missing: it is in the dependency group test"
    (tmp_path / "schemathesis.toml").write_text(SCHEMATHESIS)
    command = [
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


def test_every_route_is_described(tmp_path: Path) -> None:
    """And nothing that is not there."""
    config = {"models": [{"name": "m", "provider": "echo"}], "chat_page": {"enabled": True}}
    section = AgentFile.model_validate({"agent": config}).agent
    app = create_app(section, "", Environment())

    served = {(route.method.lower(), _path(route)) for route in app.router.routes() if route.method != "HEAD"}
    described = {
        (method, path) for path, methods in build_document(app, section)["paths"].items() for method in methods
    }

    assert described == served


def test_a_page_that_is_off_is_not_described(start_agent: StartAgent) -> None:
    """Nor is a key that nobody asks for."""
    agent = start_agent(agent_toml(ECHO)).ready()

    described = agent.http.get("/openapi.json").json()

    assert "/" not in described["paths"]
    assert "securitySchemes" not in described["components"]


def _path(route: web.AbstractRoute) -> str:
    assert route.resource is not None
    return route.resource.canonical
