"""Redis is never followed to a link-local or metadata address, and nothing is sent to one."""

import asyncio
from collections.abc import AsyncIterator

import hiredis
import pytest

from agent_runtime.config import CacheConfig
from agent_runtime.environment import Environment, read
from agent_runtime.health import UnhealthyError
from agent_runtime.memory import login
from agent_runtime.memory.cluster import Cluster
from agent_runtime.memory.login import Login
from agent_runtime.memory.topology import SinglePrimary

METADATA = "169.254.169.254"
MAPPED = "::ffff:169.254.169.254"


class Server:
    """A Redis that gives the same reply to every command, but itself as the only server of a Cluster."""

    port: int

    def __init__(self) -> None:
        self.reply = b"+OK\r\n"
        self.received = b""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        slots = b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n" % self.port
        commands = hiredis.Reader()
        while data := await reader.read(65536):
            self.received += data
            commands.feed(data)
            while command := commands.gets():
                writer.write({b"CLIENT": b"+OK\r\n", b"CLUSTER": slots}.get(command[0], self.reply))
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts to which connections are opened."""
    hosts: list[str] = []
    open_connection = asyncio.open_connection

    async def record(**options: object) -> object:
        hosts.append(str(options["host"]))
        return await open_connection(**options)  # type: ignore[arg-type]  # all of its options

    monkeypatch.setattr(asyncio, "open_connection", record)
    return hosts


@pytest.mark.parametrize("address", [METADATA, MAPPED, "100.100.100.200", "fe80::1"])
async def test_a_primary_that_sentinels_name_is_refused(server: Server, opened: list[str], address: str) -> None:
    server.reply = b"*2\r\n$%d\r\n%s\r\n$4\r\n6379\r\n" % (len(address), address.encode())
    sentinel = {"master": "mymaster", "hosts": [f"127.0.0.1:{server.port}"]}
    cache = CacheConfig.model_validate({"sentinel": sentinel})
    redis = SinglePrimary(cache, Login(cache, Environment(), 5), 5)

    with pytest.raises(UnhealthyError, match="the address that the Sentinels or the servers of the Cluster") as raised:
        await redis.execute(("PING",))

    assert raised.value.reason == "AddressForbidden"
    assert opened == ["127.0.0.1"]
    await redis.aclose()


@pytest.mark.parametrize("redirection", ["MOVED", "ASK"])
@pytest.mark.parametrize("address", [METADATA, MAPPED])
async def test_a_redirection_is_refused(server: Server, opened: list[str], redirection: str, address: str) -> None:
    server.reply = f"-{redirection} 1 {address}:6379\r\n".encode()
    cache = CacheConfig(host="127.0.0.1", port=server.port, cluster=True)
    redis = Cluster(cache, Login(cache, Environment(), 5), 5)

    with pytest.raises(UnhealthyError) as raised:
        await redis.execute(("GET", "x"))

    assert raised.value.reason == "AddressForbidden"
    assert opened == ["127.0.0.1"]
    await redis.aclose()


async def test_a_name_that_resolves_to_a_refused_address_gets_no_credentials(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "is_refused", {"127.0.0.1": True}.__getitem__)
    cache = CacheConfig(host="localhost", port=server.port)
    redis = SinglePrimary(cache, Login(cache, read({"REDIS_PASSWORD": "canary"}), 5), 5)

    with pytest.raises(UnhealthyError) as raised:
        await redis.execute(("PING",))

    assert raised.value.reason == "AddressForbidden"
    assert server.received == b""
    await redis.aclose()


@pytest.mark.parametrize(
    ("server_name", "topology", "host", "expected"),
    [
        ("redis.example", {"sentinel": {"master": "m", "hosts": ["s"]}}, "10.0.0.7", "redis.example"),
        ("redis.example", {"sentinel": {"master": "m", "hosts": ["s"]}}, "other.example", "redis.example"),
        ("redis.example", {"host": "r", "cluster": True}, "other.example", "redis.example"),
        (None, {"sentinel": {"master": "m", "hosts": ["s"]}}, "10.0.0.7", "10.0.0.7"),
        (None, {"host": "r", "cluster": True}, "10.0.0.7", "r"),
    ],
)
async def test_the_certificate_must_have_the_configured_name(
    server_name: str | None, topology: dict[str, object], host: str, expected: str
) -> None:
    """Wherever the Sentinels or the Cluster lead."""
    tls = {"server_name": server_name} if server_name else {}
    cache = CacheConfig.model_validate({"ssl": True, "tls": tls, **topology})

    connection = await Login(cache, Environment(), 5).connection(host, 6379)

    assert connection._connection_arguments()["server_hostname"] == expected  # type: ignore[attr-defined]  # of TLS
