"""Requests that are wrong in ways that only the model, or only time, can tell; and that nothing secret ever shows."""

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
    ModelServer,
    RedisServer,
    StartAgent,
    agent_toml,
    canaries,
    eventually,
    openai_model,
    redis_memory,
)
from tests.patience import DEADLINE

USER = {"role": "user", "content": "hi"}
CALLS = {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent with a model behind the fake server, its default, and one that echoes."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO)).ready()


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "assistant", "content": "x"}, USER]},
        {"messages": [USER, {"role": "tool", "tool_call_id": "none", "content": "x"}]},
        {"messages": [CALLS, USER]},
        {"messages": [USER, {"role": "system", "content": "x"}]},
        {"messages": [USER], "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": 5}}}]},
        {"messages": [USER], "tools": [{"type": "function"}]},
        {"messages": [USER], "tools": {"name": "f"}},
        {"messages": [USER], "tool_choice": 7},
        {"messages": [USER], "temperature": "hot"},
    ],
    ids=lambda fields: json.dumps(fields)[:70],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_only_the_model_can_judge(
    agent: AgentProcess, model_server: ModelServer, fields: dict[str, Any], stream: bool
) -> None:
    """An order of roles or a tool's schema: it gets it as it is, and its refusal comes back as 400; echo answers."""
    refusal = {"error": {"code": "invalid_value", "param": "messages[1].role", "message": PROMPT}}
    model_server.script(completions=[{"status": 400, "json": refusal}])
    asked = fields | {"stream": stream}

    refused = agent.http.post("/v1/chat/completions", json=asked)
    echoed = agent.http.post("/v1/chat/completions", json=asked | {"model": "echo"})

    assert (refused.status_code, echoed.status_code) == (400, 200)
    error = refused.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_value", "messages[1].role")
    seen = model_server.seen("/chat/completions")[0]["body"]
    assert seen["messages"][1:] == fields["messages"]
    assert all(seen[name] == value for name, value in fields.items() if name != "messages")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/a2a"])
async def test_a_body_that_dribbles_in(path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """408 in the form of the route, and the connection is closed: the rest of the body is no request."""
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
    """An agent with all that may hold a secret: keys, a password, headers of tools; its log at DEBUG."""
    (tmp_path / "keys").write_text(f"{CANARIES['AZURE_OPENAI_API_KEY']}\n")
    tools = (
        f'[[agent.mcp]]\nname = "t"\ntype = "http"\nurl = "{model_server.url}/mcp"\n'
        'headers_from = { Authorization = "AZURE_CLIENT_SECRET" }\n'
    )
    server = f'[agent.server]\napi_keys_file = "{tmp_path / "keys"}"\n'
    config = agent_toml(openai_model(model_server), ECHO, memory=redis_memory(redis_server) + tools + server)
    return start_agent(config, **CANARIES).ready()


@pytest.fixture
def errors(guarded: AgentProcess, model_server: ModelServer) -> Iterator[dict[str, str]]:
    """What it answers to requests that hold a canary in every place, with a model's server that says it all back."""
    key = {"Authorization": f"Bearer {CANARIES['AZURE_OPENAI_API_KEY']}"}
    said = {
        "error": {
            "code": f"no code: {USER_CANARY}",
            "message": f"{PROMPT} {CANARIES['OPENAI_API_KEY']}",
            "param": PROMPT,
        }
    }
    found: dict[str, str] = {}

    def ask(what: str, path: str, content: Any, headers: dict[str, str] = key) -> None:
        sent = content if isinstance(content, bytes) else json.dumps(content).encode()
        response = guarded.http.post(path, content=sent, headers=JSON | headers)
        found[what] = f"{response.status_code} {response.headers} {response.text}"

    completion = {"messages": [{"role": "user", "content": USER_CANARY}]}
    begun = {"choices": [{"index": 0, "delta": {"content": "Well"}, "finish_reason": None}]}
    model_server.script(completions=[{"chunks": [begun, said], "always": True}])
    ask("broken", "/api/chat", {"message": USER_CANARY}, key | {"Accept": "text/event-stream"})
    for status in (400, 401, 404, 429, 500):
        model_server.script(completions=[{"status": status, "json": said, "always": True}])
        ask(f"upstream {status}", "/v1/chat/completions", completion)
        ask(f"upstream {status} chat", "/api/chat", {"message": USER_CANARY})
    model_server.script(completions=[{"text": f"{PROMPT} garbage", "always": True}])
    ask("garbage", "/v1/chat/completions", completion | {"stream": True})
    ask("no key", "/api/chat", {"message": USER_CANARY}, {"Authorization": f"Bearer {CANARIES['OPENAI_API_KEY']}"})
    ask("no JSON", "/api/chat", b'{"message": "%b' % USER_CANARY.encode())
    ask("wrong field", "/api/chat", {"message": "x", "session_id": f"{USER_CANARY} "})
    ask("unknown field", "/api/chat", {"message": "x", "extra": USER_CANARY})
    ask("unknown model", "/v1/chat/completions", completion | {"model": USER_CANARY})
    ask("wrong role", "/v1/chat/completions", {"messages": [{"role": USER_CANARY, "content": "x"}]})
    ask("unknown path", f"/{USER_CANARY}", {})
    ask("unknown method", "/a2a", {"jsonrpc": "2.0", "id": 1, "method": USER_CANARY})
    ask("request id", "/api/chat", {}, key | {"X-Request-Id": f"{USER_CANARY}!"})
    yield found
    model_server.reset()


def test_no_secret_shows(guarded: AgentProcess, errors: dict[str, str]) -> None:
    """In no error, header, health report, metric or line of the log, and no traceback either."""
    eventually("health has seen it all", lambda: guarded.http.get("/health").json()["status"] != "healthy")

    shown = errors | {
        "health": guarded.http.get("/health").text,
        "ready": guarded.http.get("/health/ready").text,
        "card": guarded.http.get("/.well-known/agent-card.json").text,
        "document": guarded.http.get("/openapi.json").text,
        "metrics": str(guarded.metrics()),
        "log": guarded.log_file.read_text(),
    }

    assert {what: canaries(text) for what, text in shown.items() if canaries(text)} == {}
    assert {what for what, text in shown.items() if "Traceback" in text} == set()
    # A stream that has begun, and JSON-RPC's errors, come with 200.
    assert {what for what, text in errors.items() if text.startswith("2")} == {"broken", "unknown method"}
