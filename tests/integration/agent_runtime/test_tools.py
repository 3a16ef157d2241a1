"""Tools over MCP: real servers, a scripted model that calls them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.integration.agent_runtime.conftest import (
    AgentProcess,
    ModelServer,
    StartAgent,
    agent_toml,
    eventually,
    free_port,
    openai_model,
)

TOOL_SERVER = Path(__file__).parent / "tool_server.py"
SAY: Any = [{"role": "user", "content": "go"}]


def stdio(name: str, *, more: str = "") -> str:
    """A table for the test server over stdio."""
    command = f'type = "stdio"\ncommand = "{sys.executable}"\nargs = ["{TOOL_SERVER}", "stdio"]'
    return f'[[agent.mcp]]\nname = "{name}"\n{command}\n{more}\n'


def call(tool: str, number: int = 0, **arguments: Any) -> dict[str, Any]:
    """A tool call as a model makes it."""
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return {"id": f"call_{number}", "type": "function", "function": function}


def calling(*calls: dict[str, Any]) -> dict[str, Any]:
    """A step of the model's server: it calls tools."""
    return {"message": {"content": None, "tool_calls": list(calls)}}


def results(server: ModelServer) -> list[str]:
    """What the model was told by the tools, in its last request."""
    messages = server.seen("/chat/completions")[-1]["body"]["messages"]
    return [message["content"] for message in messages if message["role"] == "tool"]


def connected(agent: AgentProcess) -> AgentProcess:
    """The agent once it has its tools: on a busy machine that takes longer than it waits with being ready."""
    eventually("connected", lambda: agent.http.get("/health").json()["status"] == "healthy")
    return agent


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent with the test server's tools, and two rounds to use them."""
    limits = "[agent.limits]\nmax_tool_rounds = 2\n"
    tools = stdio("t", more='env = ["MAY_SEE"]') + stdio("hasty", more='timeout_seconds = 1\ntools = ["sleep"]')
    config = agent_toml(openai_model(shared_model_server), memory=limits + tools)
    return connected(start_shared_agent(config, OPENAI_API_KEY="sk-canary-openai-3c1f", MAY_SEE="this"))


@pytest.fixture
def client(agent: AgentProcess) -> openai.OpenAI:
    """OpenAI's client."""
    return openai.OpenAI(base_url=f"http://127.0.0.1:{agent.port}/v1", api_key="x", max_retries=0)


def ask(agent: AgentProcess) -> dict[str, Any]:
    """One message of a new conversation."""
    answered: dict[str, Any] = agent.http.post("/api/chat", json={"message": "go"}).json()
    return answered


def test_the_model_uses_tools_until_it_has_an_answer(agent: AgentProcess, model_server: ModelServer) -> None:
    """It is offered them, its calls run side by side, usage is that of both rounds."""
    model_server.script(completions=[calling(call("t__add", 1, a=1, b=2), call("t__add", 2, a=3, b=4))])

    answer = ask(agent)

    first, second = (one["body"] for one in model_server.seen("/chat/completions"))
    offered = {tool["function"]["name"] for tool in first["tools"]}
    assert {"t__add", "t__big", "t__fail", "hasty__sleep"} <= offered
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    assert results(model_server) == ["3", "7"]
    assert answer["usage"]["total_tokens"] == 28
    assert agent.metrics()['agent_tool_calls_total{outcome="success",tool="t/add"}'] >= 2


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (call("t__fail"), "error: Error executing tool fail"),
        (call("hasty__sleep", seconds=60), "error: no result within 1 seconds"),
        (call("t__add", a="one", b=2), "error: invalid arguments: 'one' is not of type 'integer'"),
        (call("t__nothing"), "error: there is no such tool"),
        (call("u__add"), "error: there is no such tool"),
        (call("t__variable", name="OPENAI_API_KEY"), "unset"),
        (call("t__variable", name="MAY_SEE"), "this"),
        ({"id": "x", "type": "function", "function": {"name": "t__add", "arguments": "{a:"}},
         "error: the arguments are not valid JSON"),
        ({"id": "x", "type": "function", "function": {"name": "t__add", "arguments": "[]"}},
         "error: the arguments must be a JSON object"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_tool_that_fails_is_told_to_the_model(
    agent: AgentProcess, model_server: ModelServer, wanted: dict[str, Any], told: str
) -> None:
    """And not to the client as an error; a tool's process sees only the variables it was given."""
    model_server.script(completions=[calling(wanted)])

    answer = ask(agent)

    assert answer["response"].startswith("model: ")
    (result,) = results(model_server)
    assert result.startswith(told)


def test_a_result_of_5_mib_is_cut(agent: AgentProcess, model_server: ModelServer) -> None:
    """It would push the conversation out of the model's window."""
    model_server.script(completions=[calling(call("t__big", characters=5 * 1024 * 1024))])

    ask(agent)

    (result,) = results(model_server)
    assert len(result) < 65_000
    assert result.endswith("[cut: 5242880 characters]")


def test_rounds_are_bounded(agent: AgentProcess, model_server: ModelServer) -> None:
    """After the second the model may call no more and has to answer."""
    model_server.script(completions=[calling(call("t__add", a=1, b=1))] * 2)

    ask(agent)

    choices = [one["body"].get("tool_choice") for one in model_server.seen("/chat/completions")]
    assert choices == [None, None, "none"]


def test_a_stream_keeps_the_agents_tool_calls_back(
    agent: AgentProcess, client: openai.OpenAI, model_server: ModelServer
) -> None:
    """The caller sees the text of all rounds, one finish reason, and usage of them together."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    begun = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "t__add", "arguments": '{"a": 1'}}
    ended = {"index": 0, "function": {"arguments": ', "b": 2}'}}
    deltas: list[Any] = [{"role": "assistant", "content": "Wait. "}, {"tool_calls": [begun]}, {"tool_calls": [ended]}]
    chunks = [head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    chunks.append(head | {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
    model_server.script(completions=[{"chunks": chunks}])

    got = list(
        client.chat.completions.create(model="gpt", messages=SAY, stream=True, stream_options={"include_usage": True})
    )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in got if chunk.choices)
    assert text == "Wait. model: 3"
    assert not any(chunk.choices[0].delta.tool_calls for chunk in got if chunk.choices)
    assert [chunk.choices[0].finish_reason for chunk in got if chunk.choices and chunk.choices[0].finish_reason] == [
        "stop"
    ]
    assert got[-1].usage is not None
    assert got[-1].usage.total_tokens == 16
    assert results(model_server) == ["3"]


def test_a_caller_with_own_tools_gets_the_calls(client: openai.OpenAI, model_server: ModelServer) -> None:
    """The agent's tools are not offered then, and the calls are the caller's to answer."""
    model_server.script(completions=[calling(call("mine"))])
    tools: Any = [{"type": "function", "function": {"name": "mine", "parameters": {"type": "object"}}}]

    completion = client.chat.completions.create(model="gpt", messages=SAY, tools=tools)

    assert completion.choices[0].message.tool_calls is not None
    assert completion.choices[0].message.tool_calls[0].id == "call_0"
    assert model_server.seen("/chat/completions")[0]["body"]["tools"] == tools


def test_a_server_that_dies_is_started_again(agent: AgentProcess, model_server: ModelServer) -> None:
    """The model is told of the failed call; soon the tools are back."""
    connected = len(agent.log("MCP server connected"))
    model_server.script(completions=[calling(call("t__die"))])

    ask(agent)

    assert results(model_server)[0].startswith("error: ")
    eventually("the tools are back", lambda: len(agent.log("MCP server connected")) > connected)
    model_server.script(completions=[calling(call("t__add", a=1, b=2))])
    ask(agent)
    assert results(model_server) == ["3"]


def test_an_allow_list_and_a_server_of_the_world(start_agent: StartAgent, model_server: ModelServer) -> None:
    """mcp-server-time from PyPI; only the tool that is allowed is offered; health tells the number."""
    time_server = Path(sys.executable).parent / "mcp-server-time"
    table = f'[[agent.mcp]]\nname = "time"\ntype = "stdio"\ncommand = "{time_server}"\ntools = ["get_current_time"]'
    agent = connected(start_agent(agent_toml(openai_model(model_server), memory=table)))
    model_server.script(completions=[calling(call("time__get_current_time", timezone="UTC"))])

    ask(agent)

    assert [tool["function"]["name"] for tool in model_server.seen("/chat/completions")[0]["body"]["tools"]] == [
        "time__get_current_time"
    ]
    assert '"timezone": "UTC"' in results(model_server)[0]
    components = {one["name"]: one for one in agent.http.get("/health").json()["components"]}
    assert components["mcp"]["details"] == {"tool_count": 1}


@pytest.fixture
def http_tools() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The test server over HTTP, and its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, TOOL_SERVER, str(port)], stderr=subprocess.DEVNULL)
    yield process, port
    process.kill()
    process.wait()


def test_tools_over_http(
    start_agent: StartAgent, model_server: ModelServer, http_tools: tuple[subprocess.Popen[bytes], int]
) -> None:
    """Connected as soon as the server is there; when it goes the agent is degraded and still answers."""
    process, port = http_tools
    table = f'[[agent.mcp]]\nname = "t"\ntype = "http"\nurl = "http://localhost:{port}/mcp"'
    agent = connected(start_agent(agent_toml(openai_model(model_server), memory=table)))
    model_server.script(completions=[calling(call("t__add", a=20, b=3))])

    ask(agent)
    assert results(model_server) == ["23"]

    process.kill()
    process.wait()
    model_server.script(completions=[calling(call("t__add", a=20, b=3))])
    ask(agent)
    assert results(model_server)[0].startswith("error: ")
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")
    assert ask(agent)["response"] == "model: go"
