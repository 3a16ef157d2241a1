"""Scraping of pods over HTTP, including pods that respond with nothing, too much, or something else."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from agent_operator.rollout.analysis.client import Scraper, ScrapeTarget
from agent_operator.rollout.analysis.parser import Sample

TEXT = 'agent_requests_total{route="/v1/x",code="200"} 7\n'
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[..., Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve /metrics at an address, by default on a free port; returns the port."""
    runners = []

    async def start(handler: Handler, address: str = "127.0.0.1", port: int = 0) -> int:
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, address, port).start()
        found: int = runner.addresses[0][1]
        return found

    yield start
    for runner in runners:
        await runner.cleanup()


async def scrape(port: int, *targets: ScrapeTarget) -> tuple[dict[str, Sample], dict[str, str]]:
    scraper = Scraper(port)
    try:
        found = await scraper.scrape(targets)
    finally:
        await scraper.close()
    return dict(found.samples), dict(found.failures)


async def serves_metrics(_request: web.Request) -> web.Response:
    return web.Response(text=TEXT)


async def test_each_pod_has_its_sample(serve: Serve) -> None:
    """Concurrent requests over one session keep their pods apart."""

    async def address_of_mine(request: web.Request) -> web.Response:
        return web.Response(text=TEXT.replace("7", request.host.partition(":")[0].rpartition(".")[2]))

    port = await serve(address_of_mine, "0.0.0.0")
    pods = [ScrapeTarget(f"pod-{number}", f"127.0.0.{number}") for number in range(1, 60)]
    samples, failures = await scrape(port, *pods)
    assert failures == {}
    assert samples == {f"pod-{number}": Sample(number) for number in range(1, 60)}


async def test_pod_with_an_ipv6_address_is_scraped(serve: Serve) -> None:
    samples, failures = await scrape(await serve(serves_metrics, "::1"), ScrapeTarget("six", "::1"))
    assert (samples, failures) == ({"six": Sample(7)}, {})


async def test_pod_without_an_address_does_not_affect_others(serve: Serve) -> None:
    port = await serve(serves_metrics)
    samples, failures = await scrape(
        port, ScrapeTarget("good", "127.0.0.1"), ScrapeTarget("bare", ""), ScrapeTarget("odd", "evil.example/x?")
    )
    assert samples == {"good": Sample(7)}
    assert failures == {"bare": "has no IP address", "odd": "has no IP address"}


async def test_closed_port_is_a_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert await scrape(port, ScrapeTarget("p", "127.0.0.1")) == ({}, {"p": f"does not respond on port {port}"})


async def test_redirect_is_not_followed(serve: Serve) -> None:
    """A pod must not make the operator call another host."""
    paths = []

    async def away(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    port = await serve(away)
    assert await scrape(port, ScrapeTarget("p", "127.0.0.1")) == ({}, {"p": "responds to /metrics with status 302"})
    assert paths == ["/metrics"]


async def test_endless_body_is_a_failure(serve: Serve) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"agent_requests_total 1\n" * 4096)

    samples, failures = await scrape(await serve(flood), ScrapeTarget("p", "127.0.0.1"))
    assert samples == {}
    assert failures == {"p": "responds to /metrics with more than 262144 bytes"}


async def test_large_compressed_body_is_a_failure(serve: Serve) -> None:
    """The limit applies to the decompressed size."""

    async def bomb(_request: web.Request) -> web.Response:
        response = web.Response(body=b"#" * 40_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        response.headers["Content-Type"] = "text/plain"
        return response

    _, failures = await scrape(await serve(bomb), ScrapeTarget("p", "127.0.0.1"))
    assert list(failures) == ["p"]


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"<html>", b"agent_requests_total{", b""])
async def test_other_text_is_a_failure(serve: Serve, body: bytes) -> None:
    async def other(_request: web.Request) -> web.Response:
        return web.Response(body=body)

    samples, failures = await scrape(await serve(other), ScrapeTarget("p", "127.0.0.1"))
    assert samples == {}
    assert failures["p"]


async def test_other_protocol_is_a_failure() -> None:
    async def ssh(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(ssh, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert await scrape(port, ScrapeTarget("p", "127.0.0.1")) == ({}, {"p": f"does not respond on port {port}"})


async def test_silent_pod_is_a_failure_after_the_timeout(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    requested = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        requested.set()
        await asyncio.Event().wait()
        return web.Response()

    monkeypatch.setattr("agent_operator.rollout.analysis.client._SECONDS", 0.2)
    port = await serve(silent)
    assert await scrape(port, ScrapeTarget("p", "127.0.0.1")) == (
        {},
        {"p": f"does not respond on port {port} within 0 s"},
    )
    assert requested.is_set()


async def test_unused_scraper_can_be_closed() -> None:
    await Scraper().close()


async def test_closed_scraper_can_be_used_again(serve: Serve) -> None:
    scraper = Scraper(await serve(serves_metrics))
    for _ in range(2):
        assert (await scraper.scrape([ScrapeTarget("p", "127.0.0.1")])).samples == {"p": Sample(7)}
        await scraper.close()
