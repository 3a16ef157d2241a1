"""Listening, and leaving: not ready at once, serve on while the news spreads, finish, close."""

import asyncio
import logging
import signal
import socket
from contextlib import suppress

from aiohttp import web

from agent_runtime.app import create_app, create_metrics_app
from agent_runtime.config import AgentSection
from agent_runtime.environment import Environment
from agent_runtime.http.connections import Site, let_go
from agent_runtime.http.keys import HEALTH, METRICS

# Connections that wait to be taken: hundreds of clients may come in one moment.
BACKLOG = 1024
# After the grace. aiohttp waits so long for handlers to end, and as long again, before it cancels them.
_LAST_SECONDS = 0.5

log = logging.getLogger(__name__)


async def serve(config: AgentSection, prompt: str, environment: Environment) -> None:
    """Serve until SIGTERM or SIGINT; returns when the last request is finished or its grace is over.

    SIGTERM waits for the drain delay: endpoints of a Service take a moment to forget the pod. SIGINT comes from a
    person, who would not; nor does a second signal.

    Raises:
        OSError: an address cannot be listened on.
    """
    asked, hurried = _signals()
    app = create_app(config, prompt, environment)
    main = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=_LAST_SECONDS)
    metrics = web.AppRunner(create_metrics_app(app[METRICS]))
    try:
        for runner, port in ((main, environment.port_http), (metrics, environment.port_metrics)):
            await runner.setup()
            await Site(runner, _listening(environment.listen_address, port), backlog=BACKLOG).start()
        log.info("listening", extra={"fields": {"http": _port(main), "metrics": _port(metrics)}})
        await asked.wait()
        app[HEALTH].draining = True
        log.info("draining", extra={"fields": {"delay_seconds": environment.drain_delay_seconds}})
        await _unless(hurried, environment.drain_delay_seconds)
        linger = 0 if hurried.is_set() else environment.drain_delay_seconds
        await _finish(main, environment.shutdown_grace_seconds, linger)
    finally:
        # The metrics go last: the end of the last requests is counted too.
        await main.cleanup()
        await metrics.cleanup()
    log.info("stopped")


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Set when the process is asked to leave, and when it is asked to hurry."""
    loop = asyncio.get_running_loop()
    asked, hurried = asyncio.Event(), asyncio.Event()

    def terminate() -> None:
        (hurried if asked.is_set() else asked).set()

    def interrupt() -> None:
        asked.set()
        hurried.set()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    return asked, hurried


async def _finish(runner: web.AppRunner, grace: float, linger: float) -> None:
    """Take no new connection, and serve those that there are until they can be closed, or the grace is over."""
    for site in list(runner.sites):
        await site.stop()
    if runner.server is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await let_go(runner.server, linger)


async def _unless(event: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until the event."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _listening(address: str, port: int) -> socket.socket:
    """A listening socket; "::" listens on IPv4 as well, which asyncio's own server would not."""
    if ":" not in address:
        return socket.create_server((address, port))
    dual = address == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((address, port), family=socket.AF_INET6, dualstack_ipv6=dual)


def _port(runner: web.AppRunner) -> int:
    port: int = runner.addresses[0][1]
    return port
