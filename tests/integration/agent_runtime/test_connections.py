"""Clients that never finish a request's head are let go, on both event loops; all others are left alone."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from agent_runtime import environment
from agent_runtime.config import load
from agent_runtime.http import connections
from agent_runtime.server import serve
from tests.integration.agent_runtime.conftest import ECHO, agent_toml
from tests.patience import DEADLINE

HEAD = b"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
GET = b"GET /now HTTP/1.1\r\nHost: x\r\n\r\n"
TIMEOUT = 0.2


@dataclass
class Server:
    """A listening server: /now answers at once, /wait when the test lets it."""

    port: int = 0
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    clients: list["Client"] = field(default_factory=list)

    async def now(self, _: web.Request) -> web.Response:
        """Answer."""
        return web.Response(text="now")

    async def wait(self, request: web.Request) -> web.Response:
        """Answer with the body, when it is there and the test lets it."""
        self.entered.set()
        await self.go.wait()
        return web.Response(body=await request.read())

    async def client(self) -> "Client":
        """A connection."""
        self.clients.append(Client(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.clients[-1]

    async def outlive_a_head(self) -> None:
        """Return when a head that came after now was given up, twice: so much longer than TIMEOUT has passed."""
        for _ in range(2):
            slow = await self.client()
            await slow.send(GET[:20])
            assert (await slow.rest()).startswith(b"HTTP/1.1 408 ")


@dataclass
class Client:
    """A client's side of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        """The body of the next answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """What comes until the server closes the connection."""
        return await self.reader.read()


Run = Callable[[Callable[[Server], Awaitable[None]]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a test against a server in its own event loop."""
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", TIMEOUT)
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    async def serve(test: Callable[[Server], Awaitable[None]]) -> None:
        server, app = Server(), web.Application()
        app.router.add_get("/now", server.now)
        app.router.add_post("/wait", server.wait)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        try:
            await connections.Site(runner, socket.create_server(("127.0.0.1", 0))).start()
            server.port = runner.addresses[0][1]
            async with asyncio.timeout(DEADLINE):
                await test(server)
        finally:
            for client in server.clients:
                client.writer.close()
                with suppress(ConnectionError):
                    await client.writer.wait_closed()
            await runner.cleanup()

    with asyncio.Runner(loop_factory=factory) as loop:
        yield lambda test: loop.run(serve(test))


def test_a_head_that_dribbles_in(run: Run) -> None:
    """Each byte comes soon after the last; all the same the connection ends, with a 408."""

    async def test(server: Server) -> None:
        client = await server.client()

        async def dribble() -> None:
            await client.send(b"GET /now HTTP/1.1\r\n")
            while True:
                await client.send(b"X-A: b\r\n")
                await asyncio.sleep(TIMEOUT / 10)

        dribbling = asyncio.create_task(dribble())
        answer = await client.reader.read(100)
        dribbling.cancel()
        await asyncio.wait([dribbling])
        assert answer.startswith(b"HTTP/1.1 408 ")

    run(test)


def test_a_second_head_that_does_not_end(run: Run) -> None:
    """Though the connection was in use before."""

    async def test(server: Server) -> None:
        client = await server.client()
        await client.send(GET)
        assert await client.answer() == b"now"
        await client.send(GET[:-1])
        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")

    run(test)


def test_a_head_in_pieces(run: Run) -> None:
    """Is answered when it is whole in time; the next one has all the time anew."""

    async def test(server: Server) -> None:
        client = await server.client()
        for _ in range(2):
            for piece in (GET[:10], GET[10:30], GET[30:]):
                await client.send(piece)
            assert await client.answer() == b"now"
        await server.outlive_a_head()
        await client.send(GET)
        assert await client.answer() == b"now"

    run(test)


def test_idle_connections_stay(run: Run) -> None:
    """Before their first request, after one, and after a line break that some clients put behind a body."""

    async def test(server: Server) -> None:
        server.go.set()
        fresh, used, broken = [await server.client() for _ in range(3)]
        await used.send(GET)
        assert await used.answer() == b"now"
        await broken.send(HEAD + b"body" + b"\r\n")
        assert await broken.answer() == b"body"
        await server.outlive_a_head()
        for client in (fresh, used, broken):
            await client.send(GET)
            assert await client.answer() == b"now"

    run(test)


def test_requests_under_way_stay(run: Run) -> None:
    """A slow answer and a slow body are for other limits."""

    async def test(server: Server) -> None:
        client = await server.client()
        await client.send(HEAD + b"bo")
        await server.entered.wait()
        await server.outlive_a_head()
        await client.send(b"d")
        await server.outlive_a_head()
        await client.send(b"y")
        await server.outlive_a_head()
        server.go.set()
        assert await client.answer() == b"body"

    run(test)


def test_the_next_head_may_come_while_an_answer_is_made(run: Run) -> None:
    """A client that sends ahead is answered in turn."""

    async def test(server: Server) -> None:
        client = await server.client()
        await client.send(HEAD + b"body" + GET[:10])
        await server.entered.wait()
        await server.outlive_a_head()
        server.go.set()
        assert await client.answer() == b"body"
        await client.send(GET[10:])
        assert await client.answer() == b"now"

    run(test)


async def test_the_agent_listens_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On both of its ports."""
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", TIMEOUT)
    caplog.set_level(logging.INFO, "agent_runtime.server")
    (tmp_path / "agent.toml").write_text(agent_toml(ECHO))
    (tmp_path / "system_prompt.txt").write_text("Hi.")
    variables = {"LISTEN_ADDRESS": "127.0.0.1", "PORT_HTTP": "0", "PORT_METRICS": "0"}
    serving = asyncio.create_task(serve(*load(tmp_path / "agent.toml"), environment.read(variables)))
    try:
        for _ in range(1000):
            told = next((record for record in caplog.records if record.message == "listening"), None)
            if told is not None:
                break
            await asyncio.sleep(0.02)
        assert told is not None
        for port in told.__dict__["fields"].values():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET[:20])
            async with asyncio.timeout(DEADLINE):
                assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
            writer.close()
            await writer.wait_closed()
    finally:
        serving.cancel()
        await asyncio.wait([serving])
