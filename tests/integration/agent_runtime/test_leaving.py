"""Clients that go away: the call of the model ends at once, and nothing stays behind in the process.

The agent and its model's server run in the test's own event loop: its tasks are counted, both sides are seen.
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
from tests.integration.agent_runtime.conftest import (
    CANARIES,
    DEADLINE,
    ECHO,
    PROMPT,
    RedisServer,
    agent_toml,
    redis_memory,
)

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
    """A model's server that begins to answer, if asked for a stream, and never goes on."""

    port: int = 0
    asked: int = 0
    left: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self, *, asked: int = 0, left: int = 0) -> None:
        """Take note of a call that came or that ended."""
        self.asked, self.left = self.asked + asked, self.left + left
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a count."""
        while not condition():
            await self.changed.wait()


class Call(asyncio.Protocol):
    """A connection to it; no task of the event loop is behind it, for those are counted."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.received = b""
        self.asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take a request as soon as it is whole."""
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
        """Take note of a call that ended."""
        if self.asked:
            self.upstream.count(left=1)


@dataclass
class Agent:
    """The agent that is served."""

    port: int
    upstream: Upstream

    async def send(self, path: str, body: dict[str, Any], accept: str = "*/*", *, cut: int = 0) -> asyncio.StreamWriter:
        """Send a request, but for its last bytes; the open connection."""
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request[: -cut or None])
        await writer.drain()
        return writer


@asynccontextmanager
async def serving(folder: Path, redis: RedisServer) -> AsyncIterator[Agent]:
    """The agent: a model that never ends its answer, its default, one that echoes, and a memory."""
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
        yield Agent(runner.addresses[0][1], upstream)
    finally:
        await runner.cleanup()
        server.close()
        await server.wait_closed()


Run = Callable[[Callable[[Agent], Awaitable[None]]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer) -> Iterator[Run]:
    """Runs a test beside an agent in an event loop of its own."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    async def serve(test: Callable[[Agent], Awaitable[None]]) -> None:
        async with serving(tmp_path, redis_server) as agent, asyncio.timeout(4 * DEADLINE):
            await test(agent)

    with asyncio.Runner(loop_factory=factory) as loop:
        yield lambda test: loop.run(serve(test))


# What is under way when the client leaves: path, body, Accept.
UNDER_WAY: dict[str, tuple[str, dict[str, Any], str]] = {
    "completion": ("/v1/chat/completions", {"messages": SAY}, "*/*"),
    "stream": ("/v1/chat/completions", {"messages": SAY, "stream": True}, "*/*"),
    "chat": ("/api/chat", {"message": "hi"}, "*/*"),
    "events": ("/api/chat", {"message": "hi"}, "text/event-stream"),
    "task": ("/a2a", {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": MESSAGE}}, "*/*"),
}


@pytest.mark.parametrize("kind", UNDER_WAY)
@pytest.mark.parametrize("how", ["reset", "end"])
def test_the_call_of_the_model_ends_when_its_caller_leaves(run: Run, kind: str, how: str) -> None:
    """By the leaving itself: the model's server sends nothing more, so nothing else could show it."""

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


# What looks at the parts' health now and then.
PASSING = {"_probe", "to_thread"}


def _names() -> list[str]:
    """What runs in the event loop."""
    return sorted(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())


async def _until(fits: Callable[[list[str]], bool]) -> list[str]:
    """What runs once it fits, or after some time."""
    for _ in range(int(DEADLINE / 0.02)):
        if fits(_names()):
            break
        await asyncio.sleep(0.02)
    return _names()


async def _abort(agent: Agent, number: int) -> None:
    """One client that goes away: within head or body, before, at or in the answer."""
    kinds = list(UNDER_WAY.values())
    path, body, accept = kinds[number % len(kinds)]
    if number % 2 and path != "/a2a":
        # The other model is through with its answer when the client leaves, or nearly so.
        body = body | {"model": "echo"}
    cut = (0, 0, 0, 5, 120)[number // len(kinds) % 5]
    writer = await agent.send(path, body, accept, cut=cut)
    for _ in range(number % 7):
        await asyncio.sleep(0)
    writer.transport.abort()


@pytest.mark.parametrize("run", ["uvloop"], indirect=True)
def test_ten_thousand_aborts_leave_no_task(run: Run) -> None:
    """Nor an open call of the model; and the agent answers."""

    async def test(agent: Agent) -> None:
        numbers = iter(range(ABORTS))

        async def client() -> None:
            for number in numbers:
                await _abort(agent, number)

        # What is made once, such as the connection to Redis, is there before.
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
    """Wait until every call that reached the model has ended, and no new one comes."""
    upstream, calm = agent.upstream, 0
    async with asyncio.timeout(DEADLINE):
        while calm < 10:
            asked = upstream.asked
            await asyncio.sleep(0.02)
            calm = calm + 1 if upstream.asked == asked == upstream.left else 0
