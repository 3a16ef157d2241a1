"""The connection that all requests share, over a socket to a server that the test speaks for."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import RedisError, ResponseError

from agent_runtime.memory.connection import SharedConnection

SOON = 10.0


class Server:
    """A listening socket: the test reads what comes over its connections and writes the answers."""

    port: int

    def __init__(self) -> None:
        self.lines: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def start(self) -> None:
        """Listen."""
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    def connection(self) -> Connection:
        """A connection to here, made as RedisStore makes it."""
        return Connection(host="127.0.0.1", port=self.port, socket_timeout=None, protocol=2, driver_info=None)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.lines.put((reader, writer))

    async def next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The next connection, once it is there."""
        return await self.lines.get()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that listens."""
    server = Server()
    await server.start()
    yield server
    server.server.close()
    while not server.lines.empty():
        server.lines.get_nowait()[1].close()


@pytest.fixture
async def shared(server: Server) -> AsyncIterator[SharedConnection]:
    """A connection to it."""
    shared = SharedConnection(server.connection, SOON)
    yield shared
    await shared.aclose()


async def test_answers_find_who_asked(server: Server, shared: SharedConnection) -> None:
    """Though many ask at once over one connection, and somebody no longer waits."""
    asked = [asyncio.create_task(shared.ask(("ECHO", str(number)))) for number in range(3)]
    reader, writer = await server.next()
    for number in range(3):
        await reader.readuntil(f"$1\r\n{number}\r\n".encode())
    asked[1].cancel()
    writer.write(b"+0\r\n+1\r\n+2\r\n")

    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert [answers[0], answers[2]] == [b"0", b"2"]
    assert isinstance(answers[1], asyncio.CancelledError)
    assert server.lines.empty()
    writer.close()


async def test_commands_travel_together_and_the_last_answer_counts(server: Server, shared: SharedConnection) -> None:
    """As a transaction's does."""
    asked = asyncio.create_task(shared.ask(("MULTI",), ("INCRBY", "n", 2), ("EXEC",)))
    reader, writer = await server.next()
    assert await reader.readuntil(b"EXEC\r\n") == (
        b"*1\r\n$5\r\nMULTI\r\n*3\r\n$6\r\nINCRBY\r\n$1\r\nn\r\n$1\r\n2\r\n*1\r\n$4\r\nEXEC\r\n"
    )
    writer.write(b"+OK\r\n+QUEUED\r\n*1\r\n:2\r\n")

    assert await asked == [2]
    writer.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"+OK\r\n-OOM command not allowed\r\n-EXECABORT discarded\r\n",
        b"+OK\r\n+QUEUED\r\n*1\r\n-WRONGTYPE not a list\r\n",
    ],
)
async def test_a_refused_command_is_an_error(server: Server, shared: SharedConnection, answer: bytes) -> None:
    """Whether it is refused at once or when the transaction is carried out; the connection goes on."""
    refused = asyncio.create_task(shared.ask(("MULTI",), ("INCR", "n"), ("EXEC",)))
    _, writer = await server.next()
    writer.write(answer)
    with pytest.raises(ResponseError):
        await refused

    answered = asyncio.create_task(shared.ask(("PING",)))
    writer.write(b"+PONG\r\n")

    assert await answered == b"PONG"
    writer.close()


@pytest.mark.parametrize("breaking", [b"", b"+1\r\n+2\r\n+nobody asked for this\r\n", b"?nonsense\r\n"])
async def test_a_lost_connection_is_replaced(server: Server, shared: SharedConnection, breaking: bytes) -> None:
    """Closed, or no longer in step. Who waited is told, unless the answer came; the next command opens another."""
    asked = [asyncio.create_task(shared.ask(("PING",))) for _ in range(2)]
    reader, writer = await server.next()
    for _ in asked:
        await reader.readuntil(b"PING\r\n")
    writer.write(breaking)
    if not breaking:
        writer.close()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    # The other side closes too.
    assert await reader.read() == b""
    writer.close()

    again = asyncio.create_task(shared.ask(("PING",)))
    _, writer = await server.next()
    writer.write(b"+PONG\r\n")

    assert await again == b"PONG"
    assert answers == [b"1", b"2"] or all(isinstance(one, RedisError) for one in answers)
    writer.close()


async def test_an_answer_that_does_not_come_ends_the_connection(server: Server) -> None:
    """A late one would be taken for that of another command."""
    shared = SharedConnection(server.connection, 0.05)

    with pytest.raises(TimeoutError):
        await shared.ask(("PING",))

    reader, writer = await server.next()
    await reader.readuntil(b"PING\r\n")
    assert await reader.read() == b""
    writer.close()
    await shared.aclose()


async def test_nobody_there_is_an_error(server: Server) -> None:
    """And may be asked again."""
    server.server.close()
    await server.server.wait_closed()
    shared = SharedConnection(server.connection, SOON)

    for _ in range(2):
        with pytest.raises(RedisError):
            await shared.ask(("PING",))
    await shared.aclose()
