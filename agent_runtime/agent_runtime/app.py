"""The application: its routes, and the agent that starts and stops with it."""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Middleware

from agent_runtime import tracing
from agent_runtime.a2a.routes import add_a2a
from agent_runtime.a2a.shared import SHARED
from agent_runtime.assembly import assemble
from agent_runtime.config import KEEP_ALIVE_SECONDS, MAX_BODY_BYTES, AgentSection, LimitsConfig, ServerConfig
from agent_runtime.environment import Environment, version
from agent_runtime.http.app_keys import (
    AGENT,
    BUDGET,
    CLIENTS,
    EMBEDDINGS,
    GATE,
    HEALTH,
    KEEP_ALIVE,
    METRICS,
    REQUEST_LOG,
)
from agent_runtime.http.client_address import ClientAddresses
from agent_runtime.http.cors import allow_origins
from agent_runtime.http.middleware import admit, observe, send_connection_close
from agent_runtime.http.openapi.document import add_openapi
from agent_runtime.http.page import add_page
from agent_runtime.http.routes import chat, completions, health, responses
from agent_runtime.logs import RequestLog
from agent_runtime.metrics import Metrics

if TYPE_CHECKING:
    from agent_runtime.tracing.tracing import Tracing


def create_app(
    config: AgentSection, prompt: str, environment: Environment, request_log: RequestLog | None = None
) -> web.Application:
    """Return the agent's application. It opens no connection before it starts, and starts even if backends are down."""
    tracer = tracing.start(environment)
    limits, server = config.limits or LimitsConfig(), config.server or ServerConfig()
    app = web.Application(client_max_size=limits.max_body_bytes or MAX_BODY_BYTES)
    app.middlewares.extend(_middlewares(app, config, tracer))
    app.on_response_prepare.append(send_connection_close)
    app[METRICS] = Metrics(version(), environment.agent_revision)
    app[REQUEST_LOG] = request_log or RequestLog()
    app[KEEP_ALIVE] = float(server.keep_alive_seconds or KEEP_ALIVE_SECONDS)
    app[CLIENTS] = ClientAddresses(server.trusted_proxies or ())

    async def run(app: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if tracer:
                stack.push_async_callback(tracer.aclose)
            parts = await assemble(config, prompt, environment, app[METRICS], stack, tracer)
            app[EMBEDDINGS] = parts.embeddings
            app[AGENT], app[HEALTH], app[GATE] = parts.agent, parts.health, parts.gate
            if parts.redis is not None:
                app[SHARED] = parts.redis
            if parts.budget is not None:
                app[BUDGET] = parts.budget
            # These objects live as long as the process. To scan them for garbage would take longer than most requests.
            gc.freeze()
            yield

    app.cleanup_ctx.append(run)
    _add_routes(app, config, environment)
    return app


def _middlewares(app: web.Application, config: AgentSection, tracer: "Tracing | None") -> Iterator[Middleware]:
    """Yield the middleware, the outermost first."""
    yield observe
    if config.server and config.server.cors_origins:
        yield allow_origins(app, frozenset(config.server.cors_origins))
    yield admit
    if tracer:
        yield tracer.middleware


def _add_routes(app: web.Application, config: AgentSection, environment: Environment) -> None:
    for routes in (completions, responses, chat, health):
        app.add_routes(routes.ROUTES)
    add_a2a(app, config, environment)
    add_openapi(app, config)
    if config.chat_page and config.chat_page.enabled:
        add_page(app)


def create_metrics_app(main: web.Application) -> web.Application:
    """Return the application of the metrics port, which serves the metrics and the health of the main application."""

    async def scrape(request: web.Request) -> web.Response:
        body, content_type = main[METRICS].exposition(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", scrape)
    health.add_detailed(app, main)
    return app
