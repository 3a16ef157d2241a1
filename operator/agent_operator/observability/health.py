"""The HTTP server of /healthz, /readyz and /metrics."""

from collections.abc import Callable, Iterable
from typing import Self

from aiohttp import web

from agent_operator.observability.metrics import Metrics

# Yields one line per problem, and nothing if there is no problem.
Check = Callable[[], Iterable[str]]


class HealthServer:
    """Serves health probes and metrics, as an async context manager."""

    def __init__(self, address: str, metrics: Metrics, alive: Check, ready: Check) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]") or None, int(port)
        self._metrics = metrics
        self._checks = {"/healthz": alive, "/readyz": ready}
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port on which the server listens. If the address has port 0, the kernel has chosen another port."""
        addresses = self._runner.addresses if self._runner else ()
        return int(addresses[0][1]) if addresses else self._port

    async def __aenter__(self) -> Self:
        """Start listening. Raises OSError if the address is in use."""
        app = web.Application()
        app.router.add_get("/healthz", self._probe)
        app.router.add_get("/readyz", self._probe)
        app.router.add_get("/metrics", self._scrape)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _probe(self, request: web.Request) -> web.Response:
        problems = list(self._checks[request.path]())
        return web.Response(text="\n".join(problems or ["ok"]) + "\n", status=503 if problems else 200)

    async def _scrape(self, _request: web.Request) -> web.Response:
        text, content_type = self._metrics.exposition()
        return web.Response(body=text, headers={"Content-Type": content_type})
