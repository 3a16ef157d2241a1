"""The time limit for the head of a request, on both event loops. Other connections stay open."""

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
from agent_runtime.logs import RequestLog
from agent_runtime.server import serve
from tests.integration.agent_runtime.conftest import ECHO, agent_toml
from tests.patience import DEADLINE

HEAD = b"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
GET = b"GET /now HTTP/1.1\r\nHost: x\r\n\r\n"
TIMEOUT = 0.2


@dataclass
class Server:
    """A server with the routes /now, which answers at once, and /wait, which answers after `go` is set."""

    port: int = 0
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    clients: list["Client"] = field(default_factory=list)

    async def now(self, _: web.Request) -> web.Response:
        """GET /now."""
        return web.Response(text="now")

    async def wait(self, request: web.Request) -> web.Response:
        """POST /wait: answer with the body after the body has arrived and `go` is set."""
        self.entered.set()
        await self.go.wait()
        return web.Response(body=await request.read())

    async def client(self) -> "Client":
        """Open a connection."""
        self.clients.append(Client(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.clients[-1]

    async def wait_for_head_timeouts(self) -> None:
        """Wait until two heads have timed out one after the other, which takes longer than TIMEOUT."""
        for _ in range(2):
            slow = await self.client()
            await slow.send(GET[:20])
            assert (await slow.rest()).startswith(b"HTTP/1.1 408 ")


@dataclass
class Client:
    """The client's side of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        """Return the body of the next response."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Read until the server closes the connection."""
        return await self.reader.read()


Run = Callable[[Callable[[Server], Awaitable[None]]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a test function against a server, in a new event loop of each kind."""
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


def test_a_slow_head_times_out(run: Run) -> None:
    """The limit is for the whole head, although each of its lines arrives soon after the one before."""

    async def test(server: Server) -> None:
        client = await server.client()

        async def send_slowly() -> None:
            await client.send(b"GET /now HTTP/1.1\r\n")
            while True:
                await client.send(b"X-A: b\r\n")
                await asyncio.sleep(TIMEOUT / 10)

        sending = asyncio.create_task(send_slowly())
        answer = await client.reader.read(100)
        sending.cancel()
        await asyncio.wait([sending])
        assert answer.startswith(b"HTTP/1.1 408 ")

    run(test)


def test_the_head_of_a_second_request_times_out_too(run: Run) -> None:
    """The limit also applies to a connection that has served a request."""

    async def test(server: Server) -> None:
        client = await server.client()
        await client.send(GET)
        assert await client.answer() == b"now"
        await client.send(GET[:-1])
        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")

    run(test)


def test_a_head_in_several_packets_is_accepted(run: Run) -> None:
    """The limit starts again with each head."""

    async def test(server: Server) -> None:
        client = await server.client()
        for _ in range(2):
            for piece in (GET[:10], GET[10:30], GET[30:]):
                await client.send(piece)
            assert await client.answer() == b"now"
        await server.wait_for_head_timeouts()
        await client.send(GET)
        assert await client.answer() == b"now"

    run(test)


def test_idle_connections_stay_open(run: Run) -> None:
    """After a request, and after the line break that some clients send after a body."""

    async def test(server: Server) -> None:
        server.go.set()
        used, after_line_break = [await server.client() for _ in range(2)]
        await used.send(GET)
        assert await used.answer() == b"now"
        await after_line_break.send(HEAD + b"body" + b"\r\n")
        assert await after_line_break.answer() == b"body"
        await server.wait_for_head_timeouts()
        for client in (used, after_line_break):
            await client.send(GET)
            assert await client.answer() == b"now"

    run(test)


def test_running_requests_stay_open(run: Run) -> None:
    """Other limits apply to a slow body and a slow handler."""

    async def test(server: Server) -> None:
        client = await server.client()
        await client.send(HEAD + b"bo")
        await server.entered.wait()
        await server.wait_for_head_timeouts()
        await client.send(b"d")
        await server.wait_for_head_timeouts()
        await client.send(b"y")
        await server.wait_for_head_timeouts()
        server.go.set()
        assert await client.answer() == b"body"

    run(test)


def test_a_pipelined_head_is_accepted(run: Run) -> None:
    """A head that arrives during another request is answered after it."""

    async def test(server: Server) -> None:
        client = await server.client()
        await client.send(HEAD + b"body" + GET[:10])
        await server.entered.wait()
        await server.wait_for_head_timeouts()
        server.go.set()
        assert await client.answer() == b"body"
        await client.send(GET[10:])
        assert await client.answer() == b"now"

    run(test)


def test_a_connection_without_a_head_closes(run: Run) -> None:
    """Without a response, because the client has requested nothing. Line breaks do not count."""

    async def test(server: Server) -> None:
        silent, line_breaks = [await server.client() for _ in range(2)]
        await line_breaks.send(b"\r\n")
        assert await silent.rest() == b""
        assert await line_breaks.rest() == b""

    run(test)


# What a client sends while the agent answers its first request: the rest of that request, and a part of another head.
PIPELINED: dict[str, tuple[bytes, ...]] = {
    "one packet": (HEAD + b"body" + GET[:10],),
    "one byte": (HEAD + b"body" + GET[:1],),
    "two packets": (HEAD + b"body", GET[:10]),
    "within the body": (HEAD + b"bo", b"dy" + GET[:10]),
    "after a line break": (HEAD + b"body\r\n" + GET[:10],),
    "chunked": (
        HEAD.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"4\r\nbody\r\n0\r\n\r\n" + GET[:9],
    ),
    "second request": (HEAD + b"body" + HEAD + b"body" + GET[:10],),
}


@pytest.mark.parametrize("packets", PIPELINED.values(), ids=PIPELINED)
def test_a_pipelined_head_times_out(run: Run, packets: tuple[bytes, ...]) -> None:
    """The limit starts with the end of the request before."""

    async def test(server: Server) -> None:
        client = await server.client()
        for packet in packets:
            await client.send(packet)
            await server.entered.wait()
        server.go.set()
        for _ in range(b"".join(packets).count(b"POST")):
            assert await client.answer() == b"body"
        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")

    run(test)


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_complete_requests_leave_the_connection_idle(run: Run, pieces: int) -> None:
    """However the request is split into packets, and with any end of the body, no further head is expected."""

    async def test(server: Server) -> None:
        server.go.set()
        chunked = HEAD.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked")
        for request in (HEAD + b"body", HEAD + b"\r\n\r\n", chunked + b"4\r\nbody\r\n0\r\n\r\n", GET):
            client = await server.client()
            size = max(1, len(request) // pieces)
            for start in range(0, len(request), size):
                await client.send(request[start : start + size])
                await asyncio.sleep(0)
            await client.answer()
            await server.wait_for_head_timeouts()
            await client.send(GET)
            assert await client.answer() == b"now"

    run(test)


async def test_both_ports_of_the_agent_have_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The HTTP port and the metrics port close a connection with an incomplete head."""
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", TIMEOUT)
    caplog.set_level(logging.INFO, "agent_runtime.server")
    (tmp_path / "agent.toml").write_text(agent_toml(ECHO))
    (tmp_path / "system_prompt.txt").write_text("Hi.")
    variables = {"LISTEN_ADDRESS": "127.0.0.1", "PORT_HTTP": "0", "PORT_METRICS": "0"}
    serving = asyncio.create_task(serve(*load(tmp_path / "agent.toml"), environment.read(variables), RequestLog()))
    try:
        for port in await _listening_ports(caplog):
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            await client.send(GET[:20])
            async with asyncio.timeout(DEADLINE):
                assert (await client.rest()).startswith(b"HTTP/1.1 408 ")
            client.writer.close()
            await client.writer.wait_closed()
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def _listening_ports(caplog: pytest.LogCaptureFixture) -> list[int]:
    """Wait until the agent logs its ports; return them."""
    async with asyncio.timeout(DEADLINE):
        while True:
            for record in caplog.records:
                if record.message == "listening":
                    return list(record.__dict__["fields"].values())
            await asyncio.sleep(0.02)
