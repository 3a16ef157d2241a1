"""Requests to models never reach a metadata address, however the address is written or resolved."""

import asyncio
import socket
from typing import Any

import aiohttp
import pytest

from agent_runtime.assembly import http_session
from agent_runtime.models.guard import RefusedAddressError
from agent_runtime.models.refusals import unreachable

METADATA = "169.254.169.254"


@pytest.mark.parametrize(
    "host", [METADATA, "0xa9fea9fe", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]"]
)
async def test_a_literal_metadata_address_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connected = _connections(monkeypatch)
    async with http_session() as session:
        with pytest.raises(aiohttp.ClientError) as caught:
            await session.get(f"http://{host}/v1/models")
    assert connected == []
    assert isinstance(getattr(caught.value, "os_error", None), RefusedAddressError)
    assert unreachable("gpt", caught.value).detail == (
        "gpt: its URL has a link-local or metadata address, which the agent refuses: correct the URL"
    )


async def test_a_name_that_resolves_to_a_metadata_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    connected = _connections(monkeypatch)
    resolved = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (METADATA, 80))]

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return resolved

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    async with http_session() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("http://model.example/v1/models")
    assert connected == []


def _connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the addresses that sockets connect to."""
    connected: list[str] = []

    async def sock_connect(_: socket.socket, address: Any) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
    return connected
