"""Faults around a running agent. It answers with an error, keeps running, and leaks nothing."""

import asyncio
import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.integration.agent_runtime.conftest import (
    ECHO,
    USER_CANARY,
    AgentProcess,
    StartAgent,
    agent_toml,
    openai_model,
    redis_memory,
)
from tests.integration.agent_runtime.processes import ModelServer, RedisServer
from tests.patience import DEADLINE
from tests.polling import eventually

ABORTS = 10_000


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent whose default model is the fake model server, with an echo model."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO)).ready()


def send_raw(agent: AgentProcess, data: bytes) -> bytes:
    """Send bytes, and return the response after the agent has closed the connection."""
    with socket.create_connection(("127.0.0.1", agent.port), timeout=DEADLINE) as connection:
        connection.sendall(data)
        answer = b""
        while received := connection.recv(65536):
            answer += received
        return answer


@pytest.mark.parametrize(
    "data",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n bad: folded\r\n\r\n",
        b"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda data: repr(data[:30]),
)
def test_invalid_http_is_refused(agent: AgentProcess, data: bytes) -> None:
    """The response is a 400 without a traceback. The next request is answered."""
    answer = send_raw(agent, data)

    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"Traceback" not in answer
    assert agent.http.get("/health/live").status_code == 200


def test_a_request_id_cannot_inject_a_header(agent: AgentProcess) -> None:
    """The response does not repeat a request id with an encoded line break."""
    answer = send_raw(
        agent, b"GET /health/live HTTP/1.1\r\nConnection: close\r\nX-Request-Id: a%0d%0aSet-Cookie: b\r\n\r\n"
    )

    assert b"Set-Cookie" not in answer


def test_a_body_of_11_mib_is_refused(agent: AgentProcess) -> None:
    """The agent refuses it before it has read all of it, so its memory does not grow."""
    before = _resident(agent)

    for _ in range(5):
        body = b'{"message": "' + b"x" * 11 * 1024 * 1024 + b'"}'
        response = agent.http.post("/api/chat", content=body, headers={"Content-Type": "application/json"})
        assert (response.status_code, response.json()["code"]) == (413, "request_entity_too_large")

    assert _resident(agent) - before < 20 * 1024 * 1024


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"role": "tool", "content": "x"}, 200),
        ({"role": "user", "content": [{"type": "text"}]}, 200),
        ({"role": "user", "content": [{"type": "text", "text": 1}]}, 400),
        ({"role": "user", "content": [{"text": "x"}]}, 400),
        ({"role": "user", "content": [1]}, 400),
        ({"role": "user", "content": {}}, 400),
        ({"role": "user", "content": "x" * 32_001}, 413),
    ],
)
def test_unusual_messages_never_cause_a_500(agent: AgentProcess, message: dict[str, Any], status: int) -> None:
    """Each has a defined status."""
    response = agent.http.post("/v1/chat/completions", json={"model": "echo", "messages": [message]})

    assert response.status_code == status


@pytest.mark.parametrize(
    "step",
    [
        {"json": {"choices": [{"message": {"content": 1}}]}},
        {"json": {"choices": "x"}},
        {"text": "x" * 17 * 1024 * 1024},
        {"text": '{"choices": [' * 10_000},
        {"chunks": [{"choices": [{"delta": {"content": 1}}]}]},
        {"chunks": [{"nothing": 1}]},
    ],
    ids=lambda step: str(step)[:40],
)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_an_invalid_response_of_the_model_is_a_502(
    agent: AgentProcess, model_server: ModelServer, step: dict[str, Any], accept: str
) -> None:
    """The same holds for a stream. The error does not quote the response."""
    if ("chunks" in step) is (accept == "application/json"):
        step = {"text": "data: garbage\n\n"}
    model_server.script(completions=[step | {"always": True}])

    response = agent.http.post("/api/chat", json={"message": USER_CANARY}, headers={"Accept": accept})

    assert (response.status_code, response.json()["code"]) == (502, "model_bad_response")
    model_server.reset()
    eventually("the model is called again", lambda: agent.http.post("/api/chat", json={"message": "x"}).is_success)


def test_invalid_usage_is_ignored(agent: AgentProcess, model_server: ModelServer) -> None:
    """The model may report tokens that are missing, negative or no number."""
    message = {"role": "assistant", "content": "fine"}
    usages: list[Any] = [{"prompt_tokens": "many"}, {"prompt_tokens": -5}, {"prompt_tokens": None}, {}, 7]
    for usage in usages:
        model_server.script(completions=[{"json": {"choices": [{"message": message}], "usage": usage}}])

        assert agent.http.post("/api/chat", json={"message": "x"}).json()["response"] == "fine"


async def test_aborted_requests_leak_nothing(start_agent: StartAgent) -> None:
    """After 10,000 aborted requests no file, request or Redis connection stays open. Answers are not mixed up."""
    redis = RedisServer()
    try:
        agent = start_agent(agent_toml(ECHO, memory=redis_memory(redis)).replace("DEBUG", "INFO")).ready()
        files = _files(agent)
        await _abort(agent, ABORTS)

        eventually("no request is in flight", lambda: agent.metrics()["agent_inflight_requests"] == 0)
        eventually("the files are closed", lambda: _files(agent) <= files + 70)
        clients = redis.command("INFO", "clients").decode()
        connected = int(clients.split("connected_clients:")[1].split()[0])
        assert connected <= 70
        for number in range(20):
            session = f"after{number}"
            agent.http.post("/api/chat", json={"message": session, "session_id": session})
            messages = agent.http.get(f"/api/sessions/{session}").json()["messages"]
            assert [message["content"] for message in messages] == [session, session]
    finally:
        redis.stop()


async def _abort(agent: AgentProcess, count: int) -> None:
    body = json.dumps({"message": "x" * 500, "session_id": "aborted"}).encode()
    head = f"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            _, writer = await asyncio.open_connection("127.0.0.1", agent.port)
            # Abort during the request, after it, and during the response.
            writer.write((head + body)[: -(number % 3) * 100 or None])
            await writer.drain()
            await asyncio.sleep(0.001 * (number % 5))
            writer.transport.abort()
            # The transport closes its socket in a later iteration of the event loop.
            with suppress(ConnectionError):
                await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(50)))


def _files(agent: AgentProcess) -> int:
    return len(os.listdir(f"/proc/{agent.process.pid}/fd"))  # noqa: PTH208  (entries may vanish while they are counted)


def _resident(agent: AgentProcess) -> int:
    pages = Path(f"/proc/{agent.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_streams_leak_no_memory(agent: AgentProcess, model_server: ModelServer) -> None:
    """After 500 streams the process is less than 8 MiB larger than after the first 100."""
    body = {"messages": [{"role": "user", "content": "w " * 200}], "stream": True}

    def stream(times: int) -> int:
        with httpx2.Client() as client:
            for _ in range(times):
                client.post(f"http://127.0.0.1:{agent.port}/v1/chat/completions", json=body).raise_for_status()
        return _resident(agent)

    warm = stream(100)

    assert stream(400) - warm < 8 * 1024 * 1024
