"""MCP servers of both agents: one from PyPI over stdio, and the test server over HTTP."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.integration.agent_runtime.clients.conftest import SECRETS, AgentCluster, Target
from tests.integration.agent_runtime.conftest import StartAgent, agent_toml, openai_model
from tests.integration.agent_runtime.openai_clients import sync_client
from tests.integration.agent_runtime.processes import ModelServer
from tests.patience import DEADLINE, free_port
from tests.polling import eventually

TOOL_SERVER = Path(__file__).parents[1] / "tool_server.py"
TIME_SERVER = Path(sys.executable).parent / "mcp-server-time"


@pytest.fixture(scope="module")
def tools_url() -> Iterator[str]:
    """The URL of the test server over HTTP."""
    port = free_port()
    process = subprocess.Popen([sys.executable, TOOL_SERVER, str(port)], stderr=subprocess.DEVNULL)
    yield f"http://localhost:{port}/mcp"
    process.kill()
    process.wait()


@pytest.fixture(scope="module", params=["process", "cluster"])
def target(
    request: pytest.FixtureRequest, start_shared_agent: StartAgent, shared_model_server: ModelServer, tools_url: str
) -> Target:
    """An agent with the tools of both servers."""
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
def model(target: Target, model_server: ModelServer) -> ModelServer:
    """The fake model server, after the agent has connected to both MCP servers."""

    def healthy() -> bool:
        components = {component["name"]: component for component in target.get("/health").json()["components"]}
        return components["mcp"]["status"] == "healthy"

    eventually("both servers are connected", healthy)
    return model_server


@pytest.fixture
def chat(target: Target) -> Callable[[], str]:
    """Send a message in a new session with `chat()`, which returns the answer."""

    def chat() -> str:
        response = httpx2.post(f"{target.url}/api/chat", json={"message": "go"}, timeout=DEADLINE, verify=False)
        answer: str = response.raise_for_status().json()["response"]
        return answer

    return chat


def step(name: str, **arguments: Any) -> dict[str, Any]:
    """Return a step of the model server that calls a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"message": {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]}}


def test_the_model_gets_the_tools_of_both_servers(chat: Callable[[], str], model: ModelServer) -> None:
    """The allow list limits the tools of the first server."""
    chat()

    tools = model.seen("/chat/completions")[0]["body"]["tools"]
    offered = [tool["function"]["name"] for tool in tools]
    assert [name for name in offered if name.startswith("time__")] == ["time__get_current_time"]
    assert {"web__add", "web__fail"} <= set(offered)


def test_a_tool_over_stdio_is_called(chat: Callable[[], str], model: ModelServer) -> None:
    """The server is a process in the container of the agent."""
    model.script(completions=[step("time__get_current_time", timezone="UTC")])

    assert '"timezone": "UTC"' in chat()


def test_a_tool_over_http_is_called_in_two_rounds(chat: Callable[[], str], model: ModelServer) -> None:
    """After two calls the model answers."""
    model.script(completions=[step("web__add", a=20, b=3), step("web__add", a=23, b=4)])

    assert chat() == "model: 27"
    assert len(model.seen("/chat/completions")) == 3


def test_openais_client_sees_only_the_answer(target: Target, model: ModelServer) -> None:
    """Calls of the agent's tools are hidden from the client."""
    model.script(completions=[step("web__add", a=1, b=2)])
    messages: Any = [{"role": "user", "content": "go"}]

    with sync_client(target.openai_url) as client:
        completion = client.chat.completions.create(model="gpt", messages=messages)
        with client.chat.completions.stream(model="gpt", messages=messages) as stream:
            streamed = stream.get_final_completion()

    assert completion.choices[0].message.content == "model: 3"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 28
    assert streamed.choices[0].message.content == "model: go"


def test_the_model_gets_the_error_of_a_tool(chat: Callable[[], str], model: ModelServer) -> None:
    """The model answers after a tool has failed."""
    model.script(completions=[step("web__fail")])

    assert chat().startswith("model: error: ")
