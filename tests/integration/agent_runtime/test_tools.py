"""Tools over MCP: real servers, and a scripted model that calls their tools."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.integration.agent_runtime.conftest import AgentProcess, StartAgent, agent_toml, openai_model
from tests.integration.agent_runtime.openai_clients import sync_client
from tests.integration.agent_runtime.processes import ModelServer
from tests.patience import free_port
from tests.polling import eventually

TOOL_SERVER = Path(__file__).parent / "tool_server.py"
MESSAGES: Any = [{"role": "user", "content": "go"}]


def stdio(name: str, *, more: str = "") -> str:
    """Return a table for the test server over stdio."""
    command = f'type = "stdio"\ncommand = "{sys.executable}"\nargs = ["{TOOL_SERVER}", "stdio"]'
    return f'[[agent.mcp]]\nname = "{name}"\n{command}\n{more}\n'


def call(tool: str, number: int = 0, **arguments: Any) -> dict[str, Any]:
    """Return a tool call of a model."""
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return {"id": f"call_{number}", "type": "function", "function": function}


def calling(*calls: dict[str, Any]) -> dict[str, Any]:
    """Return a step of the model server that calls tools."""
    return {"message": {"content": None, "tool_calls": list(calls)}}


def tool_results(server: ModelServer) -> list[str]:
    """Return the results of tools in the last request to the model."""
    messages = server.seen("/chat/completions")[-1]["body"]["messages"]
    return [message["content"] for message in messages if message["role"] == "tool"]


def connected(agent: AgentProcess) -> AgentProcess:
    """Wait until the agent has its tools. On a busy machine the agent may be ready earlier."""
    eventually("connected", lambda: agent.http.get("/health").json()["status"] == "healthy")
    return agent


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent with the tools of the test server and at most two tool rounds."""
    limits = "[agent.limits]\nmax_tool_rounds = 2\n"
    tools = stdio("t", more='env = ["MAY_SEE"]') + stdio("hasty", more='timeout_seconds = 1\ntools = ["sleep"]')
    config = agent_toml(openai_model(shared_model_server), memory=limits + tools)
    return connected(start_shared_agent(config, OPENAI_API_KEY="sk-canary-openai-3c1f", MAY_SEE="this"))


@pytest.fixture
def client(agent: AgentProcess) -> openai.OpenAI:
    """OpenAI's client without retries."""
    return sync_client(f"http://127.0.0.1:{agent.port}/v1")


def chat(agent: AgentProcess) -> dict[str, Any]:
    """Send a message in a new session; return the response."""
    response: dict[str, Any] = agent.http.post("/api/chat", json={"message": "go"}).json()
    return response


def test_the_model_calls_tools_until_it_answers(agent: AgentProcess, model_server: ModelServer) -> None:
    """The model gets the list of tools. Its calls run concurrently. The usage is the sum of both rounds."""
    model_server.script(completions=[calling(call("t__add", 1, a=1, b=2), call("t__add", 2, a=3, b=4))])

    answer = chat(agent)

    first, second = (request["body"] for request in model_server.seen("/chat/completions"))
    offered = {tool["function"]["name"] for tool in first["tools"]}
    assert {"t__add", "t__big", "t__fail", "hasty__sleep"} <= offered
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    assert tool_results(model_server) == ["3", "7"]
    assert answer["usage"]["total_tokens"] == 28
    assert agent.metrics()['agent_tool_calls_total{outcome="success",tool="t/add"}'] >= 2


@pytest.mark.parametrize(
    ("tool_call", "expected"),
    [
        (call("t__fail"), "error: Error executing tool fail"),
        (call("hasty__sleep", seconds=60), "error: no result within 1 seconds"),
        (call("t__add", a="one", b=2), "error: invalid arguments: 'one' is not of type 'integer'"),
        (call("t__hostile", word="a" * 60 + "!"), "error: invalid arguments: 'aaaa"),
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
def test_the_model_gets_the_error_of_a_tool(
    agent: AgentProcess, model_server: ModelServer, tool_call: dict[str, Any], expected: str
) -> None:
    """The client gets no error. The process of a tool server sees only the variables of its config."""
    model_server.script(completions=[calling(tool_call)])

    answer = chat(agent)

    assert answer["response"].startswith("model: ")
    (result,) = tool_results(model_server)
    assert result.startswith(expected)


def test_a_result_of_5_mib_is_truncated(agent: AgentProcess, model_server: ModelServer) -> None:
    """It would exceed the context window of the model."""
    model_server.script(completions=[calling(call("t__big", characters=5 * 1024 * 1024))])

    chat(agent)

    (result,) = tool_results(model_server)
    assert len(result) < 65_000
    assert result.endswith("[cut: 5242880 characters]")


def test_the_number_of_rounds_is_limited(agent: AgentProcess, model_server: ModelServer) -> None:
    """After the second round the model may not call a tool and has to answer."""
    model_server.script(completions=[calling(call("t__add", a=1, b=1))] * 2)

    chat(agent)

    choices = [request["body"].get("tool_choice") for request in model_server.seen("/chat/completions")]
    assert choices == [None, None, "none"]


def tool_call_chunks() -> list[dict[str, Any]]:
    """Return the chunks of a round that calls a tool, whose arguments come in two parts."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    function = {"name": "t__add", "arguments": '{"a": 1'}
    first_part = {"index": 0, "id": "call_1", "type": "function", "function": function}
    second_part = {"index": 0, "function": {"arguments": ', "b": 2}'}}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "Wait. "}]
    deltas += [{"tool_calls": [part]} for part in (first_part, second_part)]
    chunks = [head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    chunks.append(head | {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
    return chunks


def test_a_stream_hides_calls_of_the_agents_tools(
    agent: AgentProcess, client: openai.OpenAI, model_server: ModelServer
) -> None:
    """The caller gets the text of all rounds, one finish reason, and the sum of the usage."""
    model_server.script(completions=[{"chunks": tool_call_chunks()}])
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}

    *chunks, last = client.chat.completions.create(model="gpt", messages=MESSAGES, **options)

    choices = [chunk.choices[0] for chunk in chunks]
    assert "".join(choice.delta.content or "" for choice in choices) == "Wait. model: 3"
    assert not any(choice.delta.tool_calls for choice in choices)
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert last.usage is not None
    assert last.usage.total_tokens == 16
    assert tool_results(model_server) == ["3"]


def test_a_caller_with_its_own_tools_gets_their_calls(client: openai.OpenAI, model_server: ModelServer) -> None:
    """The model does not get the agent's tools, and the agent does not run the calls."""
    model_server.script(completions=[calling(call("mine"))])
    tools: Any = [{"type": "function", "function": {"name": "mine", "parameters": {"type": "object"}}}]

    completion = client.chat.completions.create(model="gpt", messages=MESSAGES, tools=tools)

    assert completion.choices[0].message.tool_calls is not None
    assert completion.choices[0].message.tool_calls[0].id == "call_0"
    assert model_server.seen("/chat/completions")[0]["body"]["tools"] == tools


def test_a_server_that_dies_is_restarted(agent: AgentProcess, model_server: ModelServer) -> None:
    """The model gets an error for the call. Later calls succeed."""
    connected = len(agent.log("MCP server connected"))
    model_server.script(completions=[calling(call("t__die"))])

    chat(agent)

    assert tool_results(model_server)[0].startswith("error: ")
    eventually("the tools are back", lambda: len(agent.log("MCP server connected")) > connected)
    model_server.script(completions=[calling(call("t__add", a=1, b=2))])
    chat(agent)
    assert tool_results(model_server) == ["3"]


def test_an_allow_list_limits_the_tools_of_a_public_server(start_agent: StartAgent, model_server: ModelServer) -> None:
    """The server is mcp-server-time from PyPI. Health reports the number of tools."""
    time_server = Path(sys.executable).parent / "mcp-server-time"
    table = f'[[agent.mcp]]\nname = "time"\ntype = "stdio"\ncommand = "{time_server}"\ntools = ["get_current_time"]'
    agent = connected(start_agent(agent_toml(openai_model(model_server), memory=table)))
    model_server.script(completions=[calling(call("time__get_current_time", timezone="UTC"))])

    chat(agent)

    assert [tool["function"]["name"] for tool in model_server.seen("/chat/completions")[0]["body"]["tools"]] == [
        "time__get_current_time"
    ]
    assert '"timezone": "UTC"' in tool_results(model_server)[0]
    components = {component["name"]: component for component in agent.http.get("/health").json()["components"]}
    assert components["mcp"]["details"] == {"tool_count": 1}


@pytest.fixture
def http_tools() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process and the port of the test server over HTTP."""
    port = free_port()
    process = subprocess.Popen([sys.executable, TOOL_SERVER, str(port)], stderr=subprocess.DEVNULL)
    yield process, port
    process.kill()
    process.wait()


def test_an_outage_of_an_http_server_degrades_the_agent(
    start_agent: StartAgent, model_server: ModelServer, http_tools: tuple[subprocess.Popen[bytes], int]
) -> None:
    """The agent uses its tools before the outage, and still answers during the outage."""
    process, port = http_tools
    table = f'[[agent.mcp]]\nname = "t"\ntype = "http"\nurl = "http://localhost:{port}/mcp"'
    agent = connected(start_agent(agent_toml(openai_model(model_server), memory=table)))
    model_server.script(completions=[calling(call("t__add", a=20, b=3))])

    chat(agent)
    assert tool_results(model_server) == ["23"]

    process.kill()
    process.wait()
    model_server.script(completions=[calling(call("t__add", a=20, b=3))])
    chat(agent)
    assert tool_results(model_server)[0].startswith("error: ")
    eventually("degraded", lambda: agent.http.get("/health").json()["status"] == "degraded")
    assert chat(agent)["response"] == "model: go"
