"""Requests to servers as the agent sends them: the same client, credentials, proxy and authorities."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

from agent_runtime.assembly import http_session, make_models
from agent_runtime.config import AgentSection, CacheConfig, McpServerConfig
from agent_runtime.config.auth import JwtConfig
from agent_runtime.connectivity.steps import StepError
from agent_runtime.environment import Environment
from agent_runtime.health import UnhealthyError

Found = tuple[str, str]
Probe = Callable[[], Awaitable[Found]]


async def make_probes(config: AgentSection, environment: Environment, stack: AsyncExitStack) -> Mapping[str, Probe]:
    """Return the probe of each component by its name. `stack` closes their connections."""
    session = await stack.enter_async_context(http_session())
    models = make_models(config.models, config.models, environment, session, asyncio.Event())
    for model in models.values():
        stack.push_async_callback(model.aclose)
    probes: dict[str, Probe] = {name: _of_component(model) for name, model in models.items()}
    cache = config.memory.cache if config.memory else None
    if cache is not None and cache.enabled:
        probes["redis"] = _of_redis(cache, environment, stack)
    tokens = config.auth.jwt if config.auth else None
    if tokens is not None:
        probes["jwks"] = _of_keys(tokens, session)
    return probes | {f"mcp: {server.name}": _of_tools(server) for server in config.mcp if server.url}


def _of_component(component: Any) -> Probe:
    async def probe() -> Found:
        try:
            await component.probe()
        except UnhealthyError as error:
            raise StepError(error.reason, str(error)) from None
        return "the server answers", ""

    return probe


def _of_redis(cache: CacheConfig, environment: Environment, stack: AsyncExitStack) -> Probe:
    from agent_runtime.memory.redis import RedisStore  # noqa: PLC0415  (only agents with Redis need it)

    store = RedisStore(cache, environment, asyncio.Event())
    stack.push_async_callback(store.aclose)
    return _of_component(store)


def _of_keys(tokens: JwtConfig, session: Any) -> Probe:
    from agent_runtime.http.issuer import Issuer  # noqa: PLC0415  (only agents with tokens need it)
    from agent_runtime.http.key_set import KeySetError  # noqa: PLC0415

    async def probe() -> Found:
        try:
            await Issuer(tokens, session, os.environ).keys()
        except KeySetError as error:
            raise StepError(error.reason, str(error)) from None
        return "the issuer sends its keys", ""

    return probe


def _of_tools(config: McpServerConfig) -> Probe:
    async def probe() -> Found:
        from agent_runtime.tools.mcp import McpServer  # noqa: PLC0415  (its SDK takes 0.5 s and 30 MiB)

        server = McpServer(config, asyncio.Event())
        running = asyncio.create_task(server.run())
        try:
            await server.settled()
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        if server.fault is not None:
            raise StepError(server.fault.reason, server.fault.message)
        return f"{len(server.tools)} tools", ""

    return probe
