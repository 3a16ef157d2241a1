"""Refused addresses of MCP servers."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from agent_runtime.config.addresses import is_refused
from agent_runtime.tools.guard import GuardedTransport

METADATA = "169.254.169.254"


@pytest.mark.parametrize(
    "address",
    [
        METADATA,
        "168.63.129.16",
        "100.100.100.200",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::",
    ],
)
def test_link_local_and_metadata_addresses_are_refused(address: str) -> None:
    """An address is refused in every notation, and if it is embedded in another address."""
    assert is_refused(address)


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.1", "8.8.8.8", "::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_addresses_in_the_cluster_are_allowed(address: str) -> None:
    assert not is_refused(address)


@pytest.mark.parametrize(
    "host",
    [
        METADATA,
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "169.16689662",
        "169.254.43518",
        "[::ffff:a9fe:a9fe]",
        "[::ffff:169.254.169.254]",
        "[::a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[fe80::1%25lo]",
    ],
)
async def test_a_refused_address_is_never_connected_to(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is refused in every notation of a URL."""
    connected = _connections(monkeypatch)

    async with httpx2.AsyncClient(transport=GuardedTransport()) as client:
        with pytest.raises((httpx2.ConnectError, httpx2.InvalidURL)):
            await client.get(f"http://{host}/latest/meta-data/")

    assert connected == []


@asynccontextmanager
async def server(answer: bytes, seen: list[bytes]) -> AsyncIterator[int]:
    """A server on loopback that sends one response per connection; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


def _resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Make the event loop's resolver return these addresses in turn; return the names that it resolves."""
    resolved: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        resolved.append(host)
        addresses = answers[min(len(resolved), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return resolved


def _connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the addresses that sockets connect to."""
    connected: list[str] = []
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def sock_connect(sock: socket.socket, address: Any) -> None:
        connected.append(address[0])
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    return connected


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


async def test_dns_rebinding_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checked address is the address of the connection, and each request is checked."""
    seen: list[bytes] = []
    async with server(OK, seen) as port, httpx2.AsyncClient(transport=GuardedTransport()) as client:
        resolved, connected = _resolving(monkeypatch, ["127.0.0.1"], [METADATA]), _connections(monkeypatch)

        assert (await client.get(f"http://rebinding.example:{port}/mcp")).text == "ok"
        with pytest.raises(httpx2.ConnectError, match="refused"):
            await client.get(f"http://rebinding.example:{port}/mcp")

    assert resolved == ["rebinding.example"] * 2
    assert connected == ["127.0.0.1"]
    assert len(seen) == 1
    assert f"host: rebinding.example:{port}".encode() in seen[0].lower()


async def test_an_allowed_address_is_used_when_others_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(OK, []) as port, httpx2.AsyncClient(transport=GuardedTransport()) as client:
        _resolving(monkeypatch, [METADATA, "127.0.0.1", "168.63.129.16"])
        connected = _connections(monkeypatch)

        assert (await client.get(f"http://mixed.example:{port}/")).text == "ok"

    assert connected == ["127.0.0.1"]


@pytest.mark.parametrize("to", [f"http://{METADATA}/latest", "http://[::ffff:a9fe:a9fe]/", "http://evil.example/"])
async def test_a_redirect_is_checked(monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    """To an address and to a name."""
    redirect = f"HTTP/1.1 307 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    seen: list[bytes] = []
    client = httpx2.AsyncClient(transport=GuardedTransport(), follow_redirects=True)
    async with server(redirect, seen) as port, client:
        answer = "::ffff:a9fe:a9fe" if "[" in to else METADATA
        _resolving(monkeypatch, ["127.0.0.1"], [answer])
        connected = _connections(monkeypatch)

        with pytest.raises(httpx2.ConnectError, match="refused"):
            await client.post(f"http://tools.example:{port}/mcp", content=b"{}")

    assert connected == ["127.0.0.1"]
    assert len(seen) == 1


async def test_allow_link_local_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []

    async def sock_connect(_: socket.socket, address: Any) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
    async with httpx2.AsyncClient(transport=GuardedTransport(allow_link_local=True)) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"http://{METADATA}/")

    assert tried == [METADATA]
