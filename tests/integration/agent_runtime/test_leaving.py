"""Clients that disconnect: the model call ends at once, and the process keeps no task of them.

The agent and its model server run in the event loop of the test, which counts tasks and sees both sides.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
import uvloop
from aiohttp import web

from agent_runtime import environment
from agent_runtime.app import create_app
from agent_runtime.config import load
from agent_runtime.http.connections import Site
from tests.integration.agent_runtime.conftest import CANARIES, ECHO, PROMPT, agent_toml, redis_memory
from tests.integration.agent_runtime.processes import RedisServer
from tests.patience import DEADLINE

ABORTS = 10_000
MESSAGES = [{"role": "user", "content": "hi"}]
MESSAGE = {"messageId": "1", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
CHUNK = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Well"}, "finish_reason": None}],
}
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: %b\n\n"
MODELS = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"data": []}'


@dataclass
class Upstream:
    """A model server that never completes an answer. It sends the first chunk of a stream."""

    port: int = 0
    started: int = 0
    ended: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self, *, started: int = 0, ended: int = 0) -> None:
        """Count calls that started or ended."""
        self.started, self.ended = self.started + started, self.ended + ended
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the counts satisfy a condition."""
        while not condition():
            await self.changed.wait()


class Call(asyncio.Protocol):
    """A connection to the model server. It is a protocol and not a task, because the tests count tasks."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.received = b""
        self.started = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Handle a request when it is complete."""
        self.received += data
        head, _, body = self.received.partition(b"\r\n\r\n")
        if head.startswith(b"GET"):
            self.received = b""
            self.transport.write(MODELS)
        elif body.endswith(b"}"):
            self.started, self.received = True, b""
            if b'"stream":true' in body:
                self.transport.write(EVENTS % json.dumps(CHUNK).encode())
            self.upstream.count(started=1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a call that ended."""
        if self.started:
            self.upstream.count(ended=1)


@dataclass
class RunningAgent:
    """A running agent and its model server."""

    port: int
    upstream: Upstream

    async def send(self, path: str, body: dict[str, Any], accept: str = "*/*", *, cut: int = 0) -> asyncio.StreamWriter:
        """Send a request without its last `cut` bytes; return the open connection."""
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request[: -cut or None])
        await writer.drain()
        return writer


@asynccontextmanager
async def run_agent(folder: Path, redis: RedisServer) -> AsyncIterator[RunningAgent]:
    """Run an agent whose default model never completes an answer, with an echo model and Redis."""
    loop, upstream = asyncio.get_running_loop(), Upstream()
    server = await loop.create_server(lambda: Call(upstream), "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    gpt = f'name = "gpt"\nprovider = "openai"\nbase_url = "http://127.0.0.1:{upstream.port}/v1"'
    (folder / "agent.toml").write_text(agent_toml(gpt, ECHO, memory=redis_memory(redis)))
    (folder / "system_prompt.txt").write_text(PROMPT)
    config, prompt = load(folder / "agent.toml")
    app = create_app(config, prompt, environment.read(CANARIES))
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        await Site(runner, socket.create_server(("127.0.0.1", 0))).start()
        yield RunningAgent(runner.addresses[0][1], upstream)
    finally:
        await runner.cleanup()
        server.close()
        await server.wait_closed()


Run = Callable[[Callable[[RunningAgent], Awaitable[None]]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer) -> Iterator[Run]:
    """Run a test function with an agent, in a new event loop of each kind."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    async def serve(test: Callable[[RunningAgent], Awaitable[None]]) -> None:
        async with run_agent(tmp_path, redis_server) as agent, asyncio.timeout(4 * DEADLINE):
            await test(agent)

    with asyncio.Runner(loop_factory=factory) as loop:
        yield lambda test: loop.run(serve(test))


# The request from which the client disconnects: path, body, Accept.
REQUESTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "completion": ("/v1/chat/completions", {"messages": MESSAGES}, "*/*"),
    "stream": ("/v1/chat/completions", {"messages": MESSAGES, "stream": True}, "*/*"),
    "chat": ("/api/chat", {"message": "hi"}, "*/*"),
    "events": ("/api/chat", {"message": "hi"}, "text/event-stream"),
    "task": ("/a2a", {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": MESSAGE}}, "*/*"),
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("how", ["reset", "end"])
def test_the_model_call_ends_when_the_client_disconnects(run: Run, kind: str, how: str) -> None:
    """The model server sends nothing more, so only the disconnection can end the call."""

    async def test(agent: RunningAgent) -> None:
        upstream = agent.upstream
        writer = await agent.send(*REQUESTS[kind])
        async with asyncio.timeout(DEADLINE):
            await upstream.until(lambda: upstream.started == 1)
            if how == "reset":
                writer.transport.abort()
            else:
                writer.close()
            await upstream.until(lambda: upstream.ended == 1)

    run(test)


# Tasks of the periodic health probes.
PROBE_TASKS = {"_probe", "to_thread"}


def _task_names() -> list[str]:
    """Return the names of the tasks of the event loop."""
    return sorted(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())


async def _wait_for_tasks(condition: Callable[[list[str]], bool]) -> list[str]:
    """Wait until the tasks satisfy a condition or time is up; return their names."""
    for _ in range(int(DEADLINE / 0.02)):
        if condition(_task_names()):
            break
        await asyncio.sleep(0.02)
    return _task_names()


async def _abort(agent: RunningAgent, number: int) -> None:
    """Abort one request: in the head, in the body, or before, at the start of or during the response."""
    kinds = list(REQUESTS.values())
    path, body, accept = kinds[number % len(kinds)]
    if number % 2 and path != "/a2a":
        # The echo model has completed its answer, or nearly, when the client disconnects.
        body = body | {"model": "echo"}
    cut = (0, 0, 0, 5, 120)[number // len(kinds) % 5]
    writer = await agent.send(path, body, accept, cut=cut)
    for _ in range(number % 7):
        await asyncio.sleep(0)
    writer.transport.abort()


@pytest.mark.parametrize("run", ["uvloop"], indirect=True)
def test_aborted_requests_leak_no_task(run: Run) -> None:
    """After 10,000 aborted requests no model call is open, and the agent still answers."""

    async def test(agent: RunningAgent) -> None:
        numbers = iter(range(ABORTS))

        async def client() -> None:
            for number in numbers:
                await _abort(agent, number)

        # Create what is created once, such as the connection to Redis.
        for number in range(50):
            await _abort(agent, number)
        await _wait_until_settled(agent)
        before = await _wait_for_tasks(lambda names: not PROBE_TASKS & set(names))

        await asyncio.gather(*(client() for _ in range(50)))
        await _wait_until_settled(agent)
        assert await _wait_for_tasks(lambda names: names == before) == before
        async with aiohttp.ClientSession() as session:
            body = {"message": "hi", "model": "echo"}
            async with session.post(f"http://127.0.0.1:{agent.port}/api/chat", json=body) as response:
                assert (await response.json())["response"] == "hi"

    run(test)


async def _wait_until_settled(agent: RunningAgent) -> None:
    """Wait until all model calls have ended and no new one starts."""
    upstream, unchanged = agent.upstream, 0
    async with asyncio.timeout(DEADLINE):
        while unchanged < 10:
            started = upstream.started
            await asyncio.sleep(0.02)
            unchanged = unchanged + 1 if upstream.started == started == upstream.ended else 0
