"""HTTP servers in the process of the tests, and kubeconfigs that point to them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from tests import fast_yaml as yaml


@asynccontextmanager
async def serve(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    *,
    shutdown_timeout: float = 0.1,
    handler_cancellation: bool = False,
) -> AsyncIterator[str]:
    """Serve every path on a free port of 127.0.0.1.

    Args:
        handler: of all requests.
        shutdown_timeout: seconds that requests in flight have when the block ends.
        handler_cancellation: cancel a handler whose client disconnects.

    Yields:
        The URL of the server.
    """
    app = web.Application(client_max_size=8 * 1024**2)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=shutdown_timeout, handler_cancellation=handler_cancellation)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "http://{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


def abort(request: web.Request) -> web.StreamResponse:
    """Close the connection of a request without a response."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def forwarded_headers(request: web.Request) -> dict[str, str]:
    """Return the headers that a proxy before the API server passes on."""
    return {name: request.headers[name] for name in ("Content-Type", "Accept") if name in request.headers}


def write_kubeconfig(path: Path, url: str) -> Path:
    """Write a kubeconfig without credentials for an API server at a URL, and return its path."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": {"server": url}}],
        "users": [{"name": "proxy", "user": {"token": "unused"}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        "current-context": "proxy",
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
