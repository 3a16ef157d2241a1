"""The Service proxy with small TCP servers."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from localkube.apiserver.registry import Registry
from localkube.controllers.controller import Context
from localkube.node.proxy import ServiceProxy
from tests.patience import DEADLINE


@pytest.fixture
def registry() -> Registry:
    found = Registry(services="127.0.0.0/24")
    found.bootstrap()
    return found


@pytest.fixture
async def proxy(registry: Registry) -> AsyncIterator[ServiceProxy]:
    async with ServiceProxy(registry, Context(registry).recorder("service-proxy")) as found:
        yield found


Echo = Callable[[str], Awaitable[tuple[asyncio.Server, int]]]


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    """Start a server that answers with its name and the request after the client has sent all."""
    servers: list[asyncio.Server] = []

    async def start(name: str) -> tuple[asyncio.Server, int]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(name.encode() + b" " + await reader.read())
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        servers.append(server)
        return server, server.sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()


def endpoints(registry: Registry, name: str, port: int, **conditions: bool) -> None:
    obj = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": conditions or {"ready": True}}],
    }
    registry.create("endpointslices.discovery.k8s.io", "default", obj, manager="test")


@pytest.fixture
async def port(registry: Registry, proxy: ServiceProxy, until: Any) -> int:
    """A port of a Service for which the proxy listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    spec = {"clusterIP": "127.0.0.1", "ports": [{"name": "http", "port": number}]}
    found = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    registry.create("services", "default", found, manager="test")
    await until(lambda: proxy.address("default", "web", number) == ("127.0.0.1", number))
    return number


async def ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello")
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), DEADLINE)
    finally:
        writer.close()


async def test_connections_are_distributed_over_ready_endpoints(registry: Registry, port: int, echo: Echo) -> None:
    for name in ("a", "b"):
        endpoints(registry, name, (await echo(name))[1])
    endpoints(registry, "unready", (await echo("unready"))[1], ready=False)
    assert sorted([await ask(port) for _ in range(4)]) == [b"a hello"] * 2 + [b"b hello"] * 2


async def test_an_endpoint_that_refuses_the_connection_is_skipped(registry: Registry, port: int, echo: Echo) -> None:
    deleted, dead = await echo("gone")
    deleted.close()
    await deleted.wait_closed()
    endpoints(registry, "dead", dead)
    endpoints(registry, "a", (await echo("a"))[1])
    assert [await ask(port) for _ in range(3)] == [b"a hello"] * 3


async def test_terminating_endpoints_serve_if_no_endpoint_is_ready(registry: Registry, port: int, echo: Echo) -> None:
    endpoints(registry, "last", (await echo("last"))[1], ready=False, serving=True, terminating=True)
    assert await ask(port) == b"last hello"
    endpoints(registry, "a", (await echo("a"))[1])
    assert [await ask(port) for _ in range(2)] == [b"a hello"] * 2


async def test_without_endpoints_a_connection_is_reset(port: int) -> None:
    with pytest.raises(ConnectionResetError):
        await ask(port)


async def test_the_proxy_does_not_listen_for_a_deleted_service(
    registry: Registry, proxy: ServiceProxy, port: int, until: Any
) -> None:
    registry.delete("services", "default", "web")
    await until(lambda: proxy.address("default", "web", port) is None)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_can_get_another_name(registry: Registry, port: int, echo: Echo) -> None:
    number = (await echo("a"))[1]
    endpoints(registry, "a", number)
    assert await ask(port) == b"a hello"
    service = registry.get("services", "default", "web")
    ports = [{**service["spec"]["ports"][0], "name": "web"}]
    registry.update("services", "default", {**service, "spec": {**service["spec"], "ports": ports}}, manager="test")
    found = registry.get("endpointslices.discovery.k8s.io", "default", "a")
    named = [{**found["ports"][0], "name": "web"}]
    registry.update("endpointslices.discovery.k8s.io", "default", {**found, "ports": named}, manager="test")

    for _ in range(500):
        with contextlib.suppress(ConnectionResetError):
            assert await ask(port) == b"a hello"
            return
        await asyncio.sleep(0.01)
    pytest.fail("the proxy does not find the port by its new name")
