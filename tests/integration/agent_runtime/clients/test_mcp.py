"""The agent as a client of MCP servers, one over stdio from PyPI and one over HTTP, on both agents."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.integration.agent_runtime.clients.conftest import SECRETS, AgentCluster, Target
from tests.integration.agent_runtime.conftest import (
    DEADLINE,
    ModelServer,
    StartAgent,
    agent_toml,
    eventually,
    free_port,
    openai_model,
)

TOOL_SERVER = Path(__file__).parents[1] / "tool_server.py"
TIME_SERVER = Path(sys.executable).parent / "mcp-server-time"


@pytest.fixture(scope="module")
def tools_url() -> Iterator[str]:
    """The test server over HTTP."""
    port = free_port()
    process = subprocess.Popen([sys.executable, TOOL_SERVER, str(port)], stderr=subprocess.DEVNULL)
    yield f"http://localhost:{port}/mcp"
    process.kill()
    process.wait()


@pytest.fixture(scope="module", params=["process", "cluster"])
def target(
    request: pytest.FixtureRequest, start_shared_agent: StartAgent, shared_model_server: ModelServer, tools_url: str
) -> Target:
    """An agent with both servers' tools."""
    if request.param == "cluster":
        agents: AgentCluster = request.getfixturevalue("agents")
        servers = [
            {"name": "time", "type": "stdio", "command": str(TIME_SERVER), "tools": ["get_current_time"]},
            {"name": "web", "type": "http", "url": tools_url},
        ]
        base_url = f"{shared_model_server.url}/v1"
        models = [{"name": "gpt", "provider": "openai", "model": "gpt-4o", "baseUrl": base_url}]
        return agents.deploy("tools", {"models": models, "mcp": servers}, replicas=1)
    stdio = f'name = "time"\ntype = "stdio"\ncommand = "{TIME_SERVER}"\ntools = ["get_current_time"]'
    http = f'name = "web"\ntype = "http"\nurl = "{tools_url}"'
    tables = f"[[agent.mcp]]\n{stdio}\n[[agent.mcp]]\n{http}\n"
    agent = start_shared_agent(agent_toml(openai_model(shared_model_server), memory=tables), **SECRETS).ready()
    return Target("process", f"http://127.0.0.1:{agent.port}")


@pytest.fixture
def connected(target: Target, model_server: ModelServer) -> ModelServer:
    """The model's server, once the agent has both servers' tools."""

    def healthy() -> bool:
        components = {one["name"]: one for one in target.get("/health").json()["components"]}
        return components["mcp"]["status"] == "healthy"

    eventually("both servers are connected", healthy)
    return model_server


@pytest.fixture
def ask(target: Target) -> Callable[[], str]:
    """Asks for one turn; the answer."""

    def ask() -> str:
        answered = httpx2.post(f"{target.url}/api/chat", json={"message": "go"}, timeout=DEADLINE)
        said: str = answered.raise_for_status().json()["response"]
        return said

    return ask


def step(name: str, **arguments: Any) -> dict[str, Any]:
    """A step of the model's server: it calls a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"message": {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]}}


def test_the_model_is_offered_the_tools_of_both(ask: Callable[[], str], connected: ModelServer) -> None:
    """Of the first only the one that is allowed."""
    ask()

    tools = connected.seen("/chat/completions")[0]["body"]["tools"]
    offered = [tool["function"]["name"] for tool in tools]
    assert [name for name in offered if name.startswith("time__")] == ["time__get_current_time"]
    assert {"web__add", "web__fail"} <= set(offered)


def test_a_tool_over_stdio(ask: Callable[[], str], connected: ModelServer) -> None:
    """A process in the agent's own container."""
    connected.script(completions=[step("time__get_current_time", timezone="UTC")])

    assert '"timezone": "UTC"' in ask()


def test_a_tool_over_http(ask: Callable[[], str], connected: ModelServer) -> None:
    """Two rounds of it, and then the answer."""
    connected.script(completions=[step("web__add", a=20, b=3), step("web__add", a=23, b=4)])

    assert ask() == "model: 27"
    assert len(connected.seen("/chat/completions")) == 3


def test_tools_behind_openais_client(target: Target, connected: ModelServer) -> None:
    """A client that knows nothing of the tools sees one streamed answer."""
    connected.script(completions=[step("web__add", a=1, b=2)])
    say: Any = [{"role": "user", "content": "go"}]

    with openai.OpenAI(base_url=target.openai_url, api_key="x", max_retries=0) as client:
        completion = client.chat.completions.create(model="gpt", messages=say)
        with client.chat.completions.stream(model="gpt", messages=say) as stream:
            streamed = stream.get_final_completion()

    assert completion.choices[0].message.content == "model: 3"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 28
    assert streamed.choices[0].message.content == "model: go"


def test_a_tool_that_fails(ask: Callable[[], str], connected: ModelServer) -> None:
    """Is told to the model, which answers."""
    connected.script(completions=[step("web__fail")])

    assert ask().startswith("model: error: ")
