"""What pods say over HTTP, and what becomes of those that say nothing, too much, or something else."""

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


async def scrape(port: int, *pods: ScrapeTarget) -> tuple[dict[str, Sample], dict[str, str]]:
    scraper = Scraper(port)
    try:
        found = await scraper.scrape(pods)
    finally:
        await scraper.close()
    return dict(found.samples), dict(found.failures)


async def tells(_request: web.Request) -> web.Response:
    return web.Response(text=TEXT)


async def test_each_pod_tells_its_own(serve: Serve) -> None:
    """Many at once, over one session: each answer is found by its pod's name."""

    async def address_of_mine(request: web.Request) -> web.Response:
        return web.Response(text=TEXT.replace("7", request.host.partition(":")[0].rpartition(".")[2]))

    port = await serve(address_of_mine, "0.0.0.0")
    pods = [ScrapeTarget(f"pod-{number}", f"127.0.0.{number}") for number in range(1, 60)]
    samples, failures = await scrape(port, *pods)
    assert failures == {}
    assert samples == {f"pod-{number}": Sample(number) for number in range(1, 60)}


async def test_a_pod_with_an_address_of_ipv6_is_asked(serve: Serve) -> None:
    samples, failures = await scrape(await serve(tells, "::1"), ScrapeTarget("six", "::1"))
    assert (samples, failures) == ({"six": Sample(7)}, {})


async def test_a_pod_that_cannot_be_asked_does_not_keep_others_from_it(serve: Serve) -> None:
    port = await serve(tells)
    samples, failures = await scrape(
        port, ScrapeTarget("good", "127.0.0.1"), ScrapeTarget("bare", ""), ScrapeTarget("odd", "evil.example/x?")
    )
    assert samples == {"good": Sample(7)}
    assert failures == {"bare": "has no address", "odd": "has no address"}


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert await scrape(port, ScrapeTarget("p", "127.0.0.1")) == ({}, {"p": f"does not answer on port {port}"})


async def test_a_redirect_is_not_followed(serve: Serve) -> None:
    """A pod must not make the operator call another host."""
    asked = []

    async def away(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    port = await serve(away)
    assert await scrape(port, ScrapeTarget("p", "127.0.0.1")) == ({}, {"p": "answers /metrics with 302"})
    assert asked == ["/metrics"]


async def test_an_endless_body_is_cut_off(serve: Serve) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"agent_requests_total 1\n" * 4096)

    samples, failures = await scrape(await serve(flood), ScrapeTarget("p", "127.0.0.1"))
    assert samples == {}
    assert failures == {"p": "answers /metrics with more than 2097152 bytes"}


async def test_a_compressed_bomb_is_cut_off(serve: Serve) -> None:
    """What counts is what the text takes in memory, not on the wire."""

    async def bomb(_request: web.Request) -> web.Response:
        response = web.Response(body=b"#" * 40_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        response.headers["Content-Type"] = "text/plain"
        return response

    _, failures = await scrape(await serve(bomb), ScrapeTarget("p", "127.0.0.1"))
    assert list(failures) == ["p"]


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"<html>", b"agent_requests_total{", b""])
async def test_another_text_is_a_failure(serve: Serve, body: bytes) -> None:
    async def other(_request: web.Request) -> web.Response:
        return web.Response(body=body)

    samples, failures = await scrape(await serve(other), ScrapeTarget("p", "127.0.0.1"))
    assert samples == {}
    assert failures["p"]


async def test_what_is_no_http_is_a_failure() -> None:
    async def shout(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert await scrape(port, ScrapeTarget("p", "127.0.0.1")) == ({}, {"p": f"does not answer on port {port}"})


async def test_a_silent_pod_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        return web.Response()

    import aiohttp  # noqa: PLC0415

    monkeypatch.setattr("agent_operator.rollout.analysis.client._TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    port = await serve(silent)
    assert await scrape(port, ScrapeTarget("p", "127.0.0.1")) == (
        {},
        {"p": f"does not answer on port {port} within 0 s"},
    )
    assert asked.is_set()


async def test_a_scraper_that_never_asked_has_nothing_to_close() -> None:
    await Scraper().close()


async def test_a_closed_scraper_can_ask_again(serve: Serve) -> None:
    scraper = Scraper(await serve(tells))
    for _ in range(2):
        assert (await scraper.scrape([ScrapeTarget("p", "127.0.0.1")])).samples == {"p": Sample(7)}
        await scraper.close()
