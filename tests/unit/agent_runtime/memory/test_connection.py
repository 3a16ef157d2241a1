"""The connection that all requests share, to a server whose replies the test writes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import RedisError, ResponseError

from agent_runtime.memory.connection import SharedConnection

SOON = 10.0


class Server:
    """A listening socket: the test reads the commands and writes the replies."""

    port: int

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    def connection(self) -> Connection:
        """A connection to this server, as RedisStore makes one."""
        return Connection(host="127.0.0.1", port=self.port, socket_timeout=None, protocol=2, driver_info=None)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.accepted.put((reader, writer))

    async def next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Wait for the next connection."""
        return await self.accepted.get()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    server.server.close()
    while not server.accepted.empty():
        server.accepted.get_nowait()[1].close()


@pytest.fixture
async def shared(server: Server) -> AsyncIterator[SharedConnection]:
    shared = SharedConnection(server.connection, SOON)
    yield shared
    await shared.aclose()


async def test_each_command_gets_its_own_reply(server: Server, shared: SharedConnection) -> None:
    """Many commands are pending over one connection, and one of them is cancelled."""
    pending = [asyncio.create_task(shared.execute(("ECHO", str(number)))) for number in range(3)]
    reader, writer = await server.next()
    for number in range(3):
        await reader.readuntil(f"$1\r\n{number}\r\n".encode())
    pending[1].cancel()
    writer.write(b"+0\r\n+1\r\n+2\r\n")

    replies = await asyncio.gather(*pending, return_exceptions=True)

    assert [replies[0], replies[2]] == [b"0", b"2"]
    assert isinstance(replies[1], asyncio.CancelledError)
    assert server.accepted.empty()
    writer.close()


async def test_a_transaction_is_one_write_and_returns_the_last_reply(server: Server, shared: SharedConnection) -> None:
    transaction = asyncio.create_task(shared.execute(("MULTI",), ("INCRBY", "n", 2), ("EXEC",)))
    reader, writer = await server.next()
    assert await reader.readuntil(b"EXEC\r\n") == (
        b"*1\r\n$5\r\nMULTI\r\n*3\r\n$6\r\nINCRBY\r\n$1\r\nn\r\n$1\r\n2\r\n*1\r\n$4\r\nEXEC\r\n"
    )
    writer.write(b"+OK\r\n+QUEUED\r\n*1\r\n:2\r\n")

    assert await transaction == [2]
    writer.close()


@pytest.mark.parametrize(
    "replies",
    [
        b"+OK\r\n-OOM command not allowed\r\n-EXECABORT discarded\r\n",
        b"+OK\r\n+QUEUED\r\n*1\r\n-WRONGTYPE not a list\r\n",
    ],
)
async def test_a_refused_command_is_an_error(server: Server, shared: SharedConnection, replies: bytes) -> None:
    """When it is queued or when the transaction is executed. The connection stays open."""
    refused = asyncio.create_task(shared.execute(("MULTI",), ("INCR", "n"), ("EXEC",)))
    _, writer = await server.next()
    writer.write(replies)
    with pytest.raises(ResponseError):
        await refused

    ping = asyncio.create_task(shared.execute(("PING",)))
    writer.write(b"+PONG\r\n")

    assert await ping == b"PONG"
    writer.close()


@pytest.mark.parametrize("breaking", [b"", b"+1\r\n+2\r\n+not requested\r\n", b"?nonsense\r\n"])
async def test_a_lost_connection_is_replaced(server: Server, shared: SharedConnection, breaking: bytes) -> None:
    """After a close, a reply without a command, or nonsense. Commands without a reply fail; the next one reconnects."""
    pending = [asyncio.create_task(shared.execute(("PING",))) for _ in range(2)]
    reader, writer = await server.next()
    for _ in pending:
        await reader.readuntil(b"PING\r\n")
    writer.write(breaking)
    if not breaking:
        writer.close()
    replies = await asyncio.gather(*pending, return_exceptions=True)
    # The client closes, too.
    assert await reader.read() == b""
    writer.close()

    again = asyncio.create_task(shared.execute(("PING",)))
    _, writer = await server.next()
    writer.write(b"+PONG\r\n")

    assert await again == b"PONG"
    assert replies == [b"1", b"2"] or all(isinstance(reply, RedisError) for reply in replies)
    writer.close()


async def test_a_missing_reply_closes_the_connection(server: Server) -> None:
    """A late reply would be read as the reply to another command."""
    shared = SharedConnection(server.connection, 0.05)

    with pytest.raises(TimeoutError):
        await shared.execute(("PING",))

    reader, writer = await server.next()
    await reader.readuntil(b"PING\r\n")
    assert await reader.read() == b""
    writer.close()
    await shared.aclose()


async def test_a_refused_connection_is_an_error_for_each_command(server: Server) -> None:
    server.server.close()
    await server.server.wait_closed()
    shared = SharedConnection(server.connection, SOON)

    for _ in range(2):
        with pytest.raises(RedisError):
            await shared.execute(("PING",))
    await shared.aclose()
