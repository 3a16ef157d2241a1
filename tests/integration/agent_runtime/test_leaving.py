"""Disconnects of clients: the request to the model ends at once, and the process leaks nothing.

The agent and its model's server run in the event loop of the test, which counts the tasks.
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
from tests.integration.agent_runtime.conftest import CANARIES, DEADLINE, ECHO, PROMPT, RedisServer, redis_memory, toml

ABORTS = 10_000
SAY = [{"role": "user", "content": "hi"}]
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
    """A model's server that starts a streamed response and never continues it."""

    port: int = 0
    asked: int = 0
    left: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self, *, asked: int = 0, left: int = 0) -> None:
        """Record the start or the end of a request."""
        self.asked, self.left = self.asked + asked, self.left + left
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a count."""
        while not condition():
            await self.changed.wait()


class Call(asyncio.Protocol):
    """A connection to the model's server. It uses no task, because tasks are counted."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.received = b""
        self.asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Handle a request as soon as it is complete."""
        self.received += data
        head, _, body = self.received.partition(b"\r\n\r\n")
        if head.startswith(b"GET"):
            self.received = b""
            self.transport.write(MODELS)
        elif body.endswith(b"}"):
            self.asked, self.received = True, b""
            if b'"stream":true' in body:
                self.transport.write(EVENTS % json.dumps(CHUNK).encode())
            self.upstream.count(asked=1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Record the end of a request."""
        if self.asked:
            self.upstream.count(left=1)


@dataclass
class Agent:
    """The agent that is served."""

    port: int
    upstream: Upstream

    async def send(self, path: str, body: dict[str, Any], accept: str = "*/*", *, cut: int = 0) -> asyncio.StreamWriter:
        """Send a request without its last bytes; return the open connection."""
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request[: -cut or None])
        await writer.drain()
        return writer


@asynccontextmanager
async def serving(folder: Path, redis: RedisServer) -> AsyncIterator[Agent]:
    """An agent with a memory, a default model that never ends its answer, and the echo model."""
    loop, upstream = asyncio.get_running_loop(), Upstream()
    server = await loop.create_server(lambda: Call(upstream), "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    gpt = f'name = "gpt"\nprovider = "openai"\nbase_url = "http://127.0.0.1:{upstream.port}/v1"'
    (folder / "agent.toml").write_text(toml(gpt, ECHO, memory=redis_memory(redis)))
    (folder / "system_prompt.txt").write_text(PROMPT)
    config, prompt = load(folder / "agent.toml")
    app = create_app(config, prompt, environment.read(CANARIES))
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        await Site(runner, socket.create_server(("127.0.0.1", 0))).start()
        yield Agent(runner.addresses[0][1], upstream)
    finally:
        await runner.cleanup()
        server.close()
        await server.wait_closed()


Run = Callable[[Callable[[Agent], Awaitable[None]]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer) -> Iterator[Run]:
    """Run a test and an agent in a new event loop."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    async def serve(test: Callable[[Agent], Awaitable[None]]) -> None:
        async with serving(tmp_path, redis_server) as agent, asyncio.timeout(4 * DEADLINE):
            await test(agent)

    with asyncio.Runner(loop_factory=factory) as loop:
        yield lambda test: loop.run(serve(test))


# The request in flight when the client disconnects: path, body, Accept.
UNDER_WAY: dict[str, tuple[str, dict[str, Any], str]] = {
    "completion": ("/v1/chat/completions", {"messages": SAY}, "*/*"),
    "stream": ("/v1/chat/completions", {"messages": SAY, "stream": True}, "*/*"),
    "chat": ("/api/chat", {"message": "hi"}, "*/*"),
    "events": ("/api/chat", {"message": "hi"}, "text/event-stream"),
    "task": ("/a2a", {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": MESSAGE}}, "*/*"),
}


@pytest.mark.parametrize("kind", UNDER_WAY)
@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_disconnect_cancels_the_request_to_the_model(run: Run, kind: str, how: str) -> None:
    """The model's server sends nothing more, so only the disconnect can end the request."""

    async def test(agent: Agent) -> None:
        upstream = agent.upstream
        writer = await agent.send(*UNDER_WAY[kind])
        async with asyncio.timeout(DEADLINE):
            await upstream.until(lambda: upstream.asked == 1)
            if how == "reset":
                writer.transport.abort()
            else:
                writer.close()
            await upstream.until(lambda: upstream.left == 1)

    run(test)


# Tasks of the periodic health checks.
PASSING = {"_probe", "to_thread"}


def _names() -> list[str]:
    """Tasks of the event loop."""
    return sorted(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())


async def _until(fits: Callable[[list[str]], bool]) -> list[str]:
    """Tasks of the event loop, when they are as expected or after some time."""
    for _ in range(int(DEADLINE / 0.02)):
        if fits(_names()):
            break
        await asyncio.sleep(0.02)
    return _names()


async def _abort(agent: Agent, number: int) -> None:
    """One disconnect: within the head or body, or before, at or in the response."""
    kinds = list(UNDER_WAY.values())
    path, body, accept = kinds[number % len(kinds)]
    if number % 2 and path != "/a2a":
        # The echo model has finished or nearly finished its answer by then.
        body = body | {"model": "echo"}
    cut = (0, 0, 0, 5, 120)[number // len(kinds) % 5]
    writer = await agent.send(path, body, accept, cut=cut)
    for _ in range(number % 7):
        await asyncio.sleep(0)
    writer.transport.abort()


@pytest.mark.parametrize("run", ["uvloop"], indirect=True)
def test_ten_thousand_disconnects_leave_no_task(run: Run) -> None:
    """Nor a request to the model, and the agent still answers."""

    async def test(agent: Agent) -> None:
        numbers = iter(range(ABORTS))

        async def client() -> None:
            for number in numbers:
                await _abort(agent, number)

        # The connection to Redis and other objects that live on exist before.
        for number in range(50):
            await _abort(agent, number)
        await _settled(agent)
        before = await _until(lambda names: not PASSING & set(names))

        await asyncio.gather(*(client() for _ in range(50)))
        await _settled(agent)
        assert await _until(lambda names: names == before) == before
        async with aiohttp.ClientSession() as session:
            asked = {"message": "still there?", "model": "echo"}
            async with session.post(f"http://127.0.0.1:{agent.port}/api/chat", json=asked) as answered:
                assert (await answered.json())["response"] == "still there?"

    run(test)


async def _settled(agent: Agent) -> None:
    """Wait until every request to the model has ended and no new one starts."""
    upstream, calm = agent.upstream, 0
    async with asyncio.timeout(DEADLINE):
        while calm < 10:
            asked = upstream.asked
            await asyncio.sleep(0.02)
            calm = calm + 1 if upstream.asked == asked == upstream.left else 0
