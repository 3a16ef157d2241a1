"""Why a component cannot be reached: every client gives the same reason for the same cause, with the remedy."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from agent_runtime.assembly import http_session, make_models
from agent_runtime.config import CacheConfig, McpServerConfig, ModelConfig
from agent_runtime.environment import Environment
from agent_runtime.health import UnhealthyError
from agent_runtime.memory.redis import RedisStore
from agent_runtime.metrics import Metrics
from agent_runtime.tools.mcp import McpServer
from agent_runtime.tools.toolbox import Toolbox
from tests.integration.agent_runtime.certificate import write_certificate
from tests.patience import free_port

CAUSES = {
    "ConnectionRefused": ("127.0.0.1", "refuses connections: start the server, or correct its address"),
    "Unreachable": (
        "127.0.0.1",
        "check its address, and whether a NetworkPolicy or a firewall blocks it",
    ),
    "HostUnknown": ("nowhere.invalid", "does not resolve: correct it, or check the DNS of the cluster"),
    "CertificateUntrusted": ("127.0.0.1", "is not trusted (self-signed certificate): make the pods trust its CA"),
}


async def probe_model(host: str, port: int) -> None:
    config = ModelConfig(name="gpt", provider="openai", base_url=f"https://{host}:{port}/v1")
    async with http_session() as session:
        await make_models([config], [config], Environment(), session, asyncio.Event())["gpt"].probe()


async def probe_redis(host: str, port: int) -> None:
    store = RedisStore(CacheConfig(host=host, port=port, ssl=True), Environment(), asyncio.Event())
    try:
        await store.probe()
    finally:
        await store.aclose()


async def probe_mcp(host: str, port: int) -> None:
    config = McpServerConfig(name="tools", type="http", url=f"https://{host}:{port}/mcp")
    server = McpServer(config, asyncio.Event())
    running = asyncio.create_task(server.run())
    try:
        await Toolbox([server], Metrics("1.2.3", "")).probe()
    finally:
        running.cancel()
        await asyncio.wait([running])


@asynccontextmanager
async def untrusted_server(tmp_path: Path) -> AsyncIterator[int]:
    """A server with a certificate that no client trusts; yields its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(write_certificate(tmp_path / "server.pem"))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that answers no packet, because its queue of connections is full, like a host behind a firewall."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("reason", CAUSES)
@pytest.mark.parametrize("probe", [probe_model, probe_redis, probe_mcp])
async def test_the_cause_is_named(probe: Callable[[str, int], Awaitable[None]], reason: str, tmp_path: Path) -> None:
    host, remedy = CAUSES[reason]

    async with untrusted_server(tmp_path) as untrusted:
        with silent_port() as silent, pytest.raises(UnhealthyError) as found:
            await probe(host, {"CertificateUntrusted": untrusted, "Unreachable": silent}.get(reason, free_port()))

    assert found.value.reason == reason
    assert remedy in str(found.value)
    assert host in str(found.value)


async def test_a_server_that_does_not_answer_differs_from_one_that_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = ModelConfig(name="gpt", provider="openai", base_url=f"http://127.0.0.1:{port}/v1")
        began = time.thread_time()
        async with http_session() as session:
            model = make_models([config], [config], Environment(), session, asyncio.Event())["gpt"]
            with pytest.raises(UnhealthyError, match="took too long to answer") as found:
                await model.probe()

    assert found.value.reason == "ResponseTimeout"
    assert time.thread_time() - began < 1
