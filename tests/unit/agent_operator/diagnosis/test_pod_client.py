"""The inspector bounds what pods send: time, size and content."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
from aiohttp import web

from agent_operator.diagnosis.findings import PodReport
from agent_operator.diagnosis.inspector import Inspector, RunningPod, StartingPod
from agent_operator.diagnosis.pod_client import PodClient
from agent_operator.kube.client import Cluster
from agent_operator.kube.transport import ApiError, Transport

REPORT = {"status": "unhealthy", "components": [{"name": "gpt", "status": "unhealthy", "details": {"error": "down"}}]}


async def _report(_request: web.Request) -> web.StreamResponse:
    return web.json_response(REPORT, status=503)


async def _missing(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=404)


async def _redirect(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://169.254.169.254/")


async def _page(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>")


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"[" * 60_000)


async def _silent(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Any], Awaitable[int]]]:
    """Serve a handler on a free port; returns the port."""
    runners = []

    async def start(handler: Any) -> int:
        app = web.Application()
        app.router.add_get("/health", handler)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        return port

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (_missing, "responds to /health with status 404"),
        (_redirect, "responds to /health with status 302"),
        (_page, "responds to /health with no report of the runtime"),
        (_endless, "responds to /health with more than 65536 bytes"),
        (_silent, "does not respond on port {port} within 0 s"),
    ],
)
async def test_a_hostile_pod_has_no_report(
    serve: Callable[[Any], Awaitable[int]], handler: Any, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_operator.diagnosis.inspector._SECONDS", 0.3 if handler is _silent else 10.0)
    port = await serve(handler)
    client = PodClient(port)

    found = await Inspector(cast(Cluster, None), client).reports([RunningPod("a-1", "127.0.0.1")])

    await client.close()
    assert found == {"a-1": expected.format(port=port)}


async def test_a_report_with_status_503_is_read(serve: Callable[[Any], Awaitable[int]]) -> None:
    client = PodClient(await serve(_report))

    found = await Inspector(cast(Cluster, None), client).reports(
        [RunningPod("a-1", "127.0.0.1"), RunningPod("a-2", "not an address")]
    )

    await client.close()
    report = found["a-1"]
    assert isinstance(report, PodReport)
    assert str(report.faults[0]) == "gpt: down (pod a-1)"
    assert found["a-2"] == "has no IP address"


async def test_a_missing_right_to_list_events_is_no_failure() -> None:
    """The Role of an older installation lacks it."""

    class Forbidding:
        async def read_page(self, *_: Any, **__: Any) -> Any:
            raise ApiError(403, "Forbidden", "events is forbidden")

    inspector = Inspector(Cluster(cast(Transport, Forbidding())), PodClient())

    assert await inspector.start_failure("ns", StartingPod("a-1", "uid")) is None
