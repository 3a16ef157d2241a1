"""Requests that only the model can reject, bodies that arrive too slowly, and errors without secrets."""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent_runtime import environment
from agent_runtime.app import create_app
from agent_runtime.config import load
from agent_runtime.http.connections import Site
from agent_runtime.http.routes import body
from tests.integration.agent_runtime.conftest import (
    CANARIES,
    ECHO,
    PROMPT,
    USER_CANARY,
    AgentProcess,
    StartAgent,
    agent_toml,
    canaries,
    openai_model,
    redis_memory,
)
from tests.integration.agent_runtime.processes import ModelServer, RedisServer
from tests.patience import DEADLINE
from tests.polling import eventually

USER = {"role": "user", "content": "hi"}
CALLS = {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent whose default model is the fake model server, with an echo model."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO)).ready()


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "assistant", "content": "x"}, USER]},
        {"messages": [USER, {"role": "tool", "tool_call_id": "none", "content": "x"}]},
        {"messages": [CALLS, USER]},
        {"messages": [USER], "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": 5}}}]},
        {"messages": [USER], "tools": [{"type": "function"}]},
        {"messages": [USER], "tools": {"name": "f"}},
        {"messages": [USER], "tool_choice": 7},
        {"messages": [USER], "temperature": "hot"},
    ],
    ids=lambda fields: json.dumps(fields)[:70],
)
@pytest.mark.parametrize("stream", [False, True])
def test_only_the_model_validates_roles_and_tools(
    agent: AgentProcess, model_server: ModelServer, fields: dict[str, Any], stream: bool
) -> None:
    """The model gets the request unchanged, and its refusal becomes a 400. The echo model accepts everything."""
    refusal = {"error": {"code": "invalid_value", "param": "messages[1].role", "message": PROMPT}}
    model_server.script(completions=[{"status": 400, "json": refusal}])
    request = fields | {"stream": stream}

    refused = agent.http.post("/v1/chat/completions", json=request)
    echoed = agent.http.post("/v1/chat/completions", json=request | {"model": "echo"})

    assert (refused.status_code, echoed.status_code) == (400, 200)
    error = refused.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_value", "messages[1].role")
    seen = model_server.seen("/chat/completions")[0]["body"]
    assert seen["messages"][1:] == fields["messages"]
    assert all(seen[name] == value for name, value in fields.items() if name != "messages")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/a2a"])
async def test_a_slow_body_times_out(path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The response is a 408. The connection closes, because the rest of the body is not a request."""
    monkeypatch.setattr(body, "READ_TIMEOUT", 0.1)
    (tmp_path / "agent.toml").write_text(agent_toml(ECHO))
    (tmp_path / "system_prompt.txt").write_text(PROMPT)
    runner = web.AppRunner(create_app(*load(tmp_path / "agent.toml"), environment.read({})), shutdown_timeout=1)
    await runner.setup()
    try:
        await Site(runner, socket.create_server(("127.0.0.1", 0))).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode())
        writer.write(b'Content-Length: 100\r\n\r\n{"message": ')
        async with asyncio.timeout(DEADLINE):
            head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    finally:
        await runner.cleanup()

    assert head.startswith(b"HTTP/1.1 408 ")


@pytest.fixture
def guarded(
    start_agent: StartAgent, model_server: ModelServer, redis_server: RedisServer, tmp_path: Path
) -> AgentProcess:
    """An agent with all kinds of secrets (API keys, a password, headers of tools) and the log level DEBUG."""
    (tmp_path / "keys").write_text(f"{CANARIES['AZURE_OPENAI_API_KEY']}\n")
    tools = (
        f'[[agent.mcp]]\nname = "t"\ntype = "http"\nurl = "{model_server.url}/mcp"\n'
        'headers_from = { Authorization = "AZURE_CLIENT_SECRET" }\n'
    )
    server = f'[agent.server]\napi_keys_file = "{tmp_path / "keys"}"\n'
    config = agent_toml(openai_model(model_server), ECHO, memory=redis_memory(redis_server) + tools + server)
    return start_agent(config, **CANARIES).ready()


KEY = {"Authorization": f"Bearer {CANARIES['AZURE_OPENAI_API_KEY']}"}
COMPLETION = {"messages": [{"role": "user", "content": USER_CANARY}]}
FIRST_CHUNK = {"choices": [{"index": 0, "delta": {"content": "Well"}, "finish_reason": None}]}
CANARY_ERROR = {
    "error": {"code": f"no code: {USER_CANARY}", "message": f"{PROMPT} {CANARIES['OPENAI_API_KEY']}", "param": PROMPT}
}
INVALID_REQUESTS: dict[str, tuple[str, Any]] = {
    "no JSON": ("/api/chat", b'{"message": "%b' % USER_CANARY.encode()),
    "wrong field": ("/api/chat", {"message": "x", "session_id": f"{USER_CANARY}\n"}),
    "unknown field": ("/api/chat", {"message": "x", "extra": USER_CANARY}),
    "unknown model": ("/v1/chat/completions", COMPLETION | {"model": USER_CANARY}),
    "wrong role": ("/v1/chat/completions", {"messages": [{"role": USER_CANARY, "content": "x"}]}),
    "unknown path": (f"/{USER_CANARY}", {}),
    "unknown method": ("/a2a", {"jsonrpc": "2.0", "id": 1, "method": USER_CANARY}),
}


@pytest.fixture
def error_responses(guarded: AgentProcess, model_server: ModelServer) -> Iterator[dict[str, str]]:
    """The responses to invalid requests with a canary in each field, from a model server that repeats canaries."""
    responses: dict[str, str] = {}

    def send(name: str, path: str, content: Any, headers: dict[str, str] = KEY) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        response = guarded.http.post(path, content=body, headers=JSON | headers)
        responses[name] = f"{response.status_code} {response.headers} {response.text}"

    model_server.script(completions=[{"chunks": [FIRST_CHUNK, CANARY_ERROR], "always": True}])
    send("broken", "/api/chat", {"message": USER_CANARY}, KEY | {"Accept": "text/event-stream"})
    for status in (400, 401, 404, 429, 500):
        model_server.script(completions=[{"status": status, "json": CANARY_ERROR, "always": True}])
        send(f"upstream {status}", "/v1/chat/completions", COMPLETION)
        send(f"upstream {status} chat", "/api/chat", {"message": USER_CANARY})
    model_server.script(completions=[{"text": f"{PROMPT} garbage", "always": True}])
    send("garbage", "/v1/chat/completions", COMPLETION | {"stream": True})
    for name, (path, content) in INVALID_REQUESTS.items():
        send(name, path, content)
    send("no key", "/api/chat", {"message": USER_CANARY}, {"Authorization": f"Bearer {CANARIES['OPENAI_API_KEY']}"})
    send("request id", "/api/chat", {}, KEY | {"X-Request-Id": f"{USER_CANARY}!"})
    yield responses
    model_server.reset()


def test_no_output_contains_a_secret(guarded: AgentProcess, error_responses: dict[str, str]) -> None:
    """No error, header, health report, metric or log line contains a secret or a traceback."""
    eventually("the failed calls show in health", lambda: guarded.http.get("/health").json()["status"] != "healthy")

    outputs = error_responses | {
        "health": guarded.details().text,
        "ready": guarded.details("/health/ready").text,
        "card": guarded.http.get("/.well-known/agent-card.json").text,
        "document": guarded.http.get("/openapi.json").text,
        "metrics": str(guarded.metrics()),
        "log": guarded.log_file.read_text(),
    }

    assert {what: canaries(text) for what, text in outputs.items() if canaries(text)} == {}
    assert {what for what, text in outputs.items() if "Traceback" in text} == set()
    # Errors of a started stream and of JSON-RPC have the status 200.
    assert {what for what, text in error_responses.items() if text.startswith("2")} == {"broken", "unknown method"}
