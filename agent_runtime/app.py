"""The application, put together from the config."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import aiohttp
from aiohttp import web

from agent_runtime.agent import Agent
from agent_runtime.config import AgentSection, ModelConfig
from agent_runtime.environment import Environment, version
from agent_runtime.health import Health, Probed
from agent_runtime.keys import AGENT, HEALTH, METRICS
from agent_runtime.memory.base import SessionStore
from agent_runtime.memory.local import LocalStore
from agent_runtime.metrics import Metrics
from agent_runtime.middleware import observe
from agent_runtime.models.base import Model
from agent_runtime.models.echo import EchoModel
from agent_runtime.routes import chat, completions, health
from agent_runtime.routes.body import MAX_BODY_BYTES

DEFAULT_TTL = 300.0
USER_AGENT = "agent-runtime"


def create_app(config: AgentSection, prompt: str, environment: Environment) -> web.Application:
    """The agent's application. Connects to nothing before it starts, and starts whatever the backends' state."""
    app = web.Application(middlewares=[observe], client_max_size=MAX_BODY_BYTES)
    app[METRICS] = Metrics(version(), environment.agent_revision)
    for routes in (completions, chat, health):
        app.add_routes(routes.ROUTES)
    app.cleanup_ctx.append(_agent(config, prompt, environment))
    return app


def create_metrics_app(metrics: Metrics) -> web.Application:
    """What listens on the metrics port."""

    async def scrape(request: web.Request) -> web.Response:
        body, content_type = metrics.exposition(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", scrape)
    return app


def _agent(
    config: AgentSection, prompt: str, environment: Environment
) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(app: web.Application) -> AsyncIterator[None]:
        # Proxy variables are looked up for every request, so only where there are any.
        proxied = any(name.upper().endswith("_PROXY") for name in os.environ)
        headers = {"User-Agent": f"{USER_AGENT}/{version()}"}
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        async with aiohttp.ClientSession(connector=connector, headers=headers, trust_env=proxied) as session:
            alarm = asyncio.Event()
            models = {model.name: _model(model, environment, session, alarm) for model in config.models}
            sessions, probed = _memory(config, environment, alarm)
            default = config.default.name
            app[AGENT] = Agent(prompt, models, default, sessions, app[METRICS])
            vital_first = (models[default], *(model for name, model in models.items() if name != default))
            app[HEALTH] = Health((*vital_first, *probed), alarm, version(), app[METRICS])
            watch = asyncio.create_task(app[HEALTH].watch())
            yield
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            for model in models.values():
                await model.aclose()
            await sessions.aclose()

    return run


def _model(
    config: ModelConfig, environment: Environment, session: aiohttp.ClientSession, alarm: asyncio.Event
) -> Model:
    if config.provider == "echo":
        return EchoModel(config.name)
    # Imported here, as below: an agent loads only what its config uses.
    from agent_runtime.models.openai import OpenAIModel  # noqa: PLC0415

    return OpenAIModel(config, environment, session, alarm)


def _memory(
    config: AgentSection, environment: Environment, alarm: asyncio.Event
) -> tuple[SessionStore, tuple[Probed, ...]]:
    """Where sessions live, and the component of that to watch, if it can fail."""
    cache = config.memory.cache if config.memory else None
    if cache is None or not cache.enabled:
        return LocalStore(cache.ttl if cache else DEFAULT_TTL), ()
    from agent_runtime.memory.redis import RedisStore  # noqa: PLC0415

    store = RedisStore(cache, environment, alarm)
    return store, (store,)
