"""The life of the server: listen, serve, and drain after SIGTERM.

Draining has three steps: report not ready but keep serving until proxies stop sending requests, finish the requests in
flight, close the connections.
"""

import asyncio
import errno
import logging
import signal
import socket
from contextlib import suppress

from aiohttp import web

from agent_runtime.app import create_app, create_metrics_app
from agent_runtime.config import AgentSection
from agent_runtime.environment import Environment
from agent_runtime.http.app_keys import HEALTH
from agent_runtime.http.connections import Site, close_idle
from agent_runtime.logs import RequestLog

# Length of the queue of connections that wait for accept(). Hundreds of clients may connect at the same moment.
BACKLOG = 1024
# aiohttp waits this long for handlers after the grace period, and once more before it cancels them.
_HANDLER_TIMEOUT = 0.5
_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

log = logging.getLogger(__name__)


async def serve(config: AgentSection, prompt: str, environment: Environment, request_log: RequestLog) -> None:
    """Serve until SIGTERM or SIGINT; return when the last request is finished or its grace period is over.

    SIGTERM starts the drain delay, because the endpoints of a Service list the pod for a moment longer. SIGINT skips
    the delay, because it comes from a person at a terminal. A second signal skips it as well.

    Raises:
        OSError: a listen address or port is not available.
    """
    stop, skip_delay = _signals()
    app = create_app(config, prompt, environment, request_log)
    main = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=_HANDLER_TIMEOUT)
    metrics = web.AppRunner(create_metrics_app(app))
    try:
        await _listen(main, environment.listen_address, environment.port_http)
        await _listen(metrics, environment.listen_address, environment.port_metrics)
        log.info("listening", extra={"fields": {"http": _port(main), "metrics": _port(metrics)}})
        await stop.wait()
        app[HEALTH].draining = True
        await _drain(main, environment, skip_delay)
    finally:
        # The metrics server stops last, so that the last requests can still be scraped.
        await main.cleanup()
        await metrics.cleanup()
    log.info("stopped")


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Return the events that signals set: stop, and skip the drain delay."""
    loop = asyncio.get_running_loop()
    stop, skip_delay = asyncio.Event(), asyncio.Event()

    def terminate() -> None:
        (skip_delay if stop.is_set() else stop).set()

    def interrupt() -> None:
        stop.set()
        skip_delay.set()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    return stop, skip_delay


async def _listen(runner: web.AppRunner, address: str | None, port: int) -> None:
    await runner.setup()
    await Site(runner, _listening_socket(address, port), backlog=BACKLOG).start()


async def _drain(runner: web.AppRunner, environment: Environment, skip_delay: asyncio.Event) -> None:
    """Serve on for the drain delay, then stop accepting, and return when all connections are closed or time is up."""
    delay = environment.drain_delay_seconds
    log.info("draining", extra={"fields": {"delay_seconds": delay}})
    with suppress(TimeoutError):
        async with asyncio.timeout(delay):
            await skip_delay.wait()
    for site in list(runner.sites):
        await site.stop()
    if runner.server is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(environment.shutdown_grace_seconds):
                await close_idle(runner.server, 0 if skip_delay.is_set() else delay)


def _listening_socket(address: str | None, port: int) -> socket.socket:
    """Open a listening socket. "::" accepts IPv4 as well; asyncio's own create_server would limit it to IPv6.

    Without an address, listen on all addresses. IPv6 may be compiled in but turned off.
    """
    if address is None:
        if socket.has_dualstack_ipv6():
            try:
                return _listening_socket("::", port)
            except OSError as error:
                if error.errno not in _NO_IPV6:
                    raise
        address = "0.0.0.0"  # noqa: S104  (a pod serves other hosts)
    if ":" not in address:
        return socket.create_server((address, port))
    dual = address == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((address, port), family=socket.AF_INET6, dualstack_ipv6=dual)


def _port(runner: web.AppRunner) -> int:
    port: int = runner.addresses[0][1]
    return port
