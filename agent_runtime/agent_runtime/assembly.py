"""The agent's parts, put together from its config."""

import asyncio
import os
import sys
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from agent_runtime.agent.agent import Agent
from agent_runtime.agent.budget import Budget
from agent_runtime.agent.tool_loop import Answering, Rounds
from agent_runtime.config import AgentConfig, LimitsConfig, ModelConfig, ServerConfig
from agent_runtime.environment import Environment, version
from agent_runtime.health import Health, Probed
from agent_runtime.http.admission import ApiKeys, Gate, Load, RateLimit
from agent_runtime.memory.base import SessionStore, watch
from agent_runtime.memory.local import LocalStore
from agent_runtime.metrics import Metrics
from agent_runtime.models.base import Model
from agent_runtime.models.calls import Calls
from agent_runtime.models.echo import EchoModel
from agent_runtime.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from agent_runtime.memory.redis import RedisStore
    from agent_runtime.tracing.tracing import Tracing

DEFAULT_TTL = 300.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes need."""

    agent: Agent
    health: Health
    gate: Gate
    redis: "RedisStore | None"


async def assemble(
    config: AgentConfig,
    prompt: str,
    environment: Environment,
    metrics: Metrics,
    held: AsyncExitStack,
    tracing: "Tracing | None" = None,
) -> Parts:
    """Make the parts; what they hold is let go, and what they run is ended, with `held`."""
    alarm = asyncio.Event()
    session = await held.enter_async_context(http_session(tracing))
    models = {one.name: make_model(one, environment, session, alarm) for one in config.models}
    if tracing is not None:
        models = {one.name: tracing.model(models[one.name], one) for one in config.models}
    for model in models.values():
        held.push_async_callback(model.aclose)
    redis = _redis(config, environment, alarm)
    sessions: SessionStore = redis or LocalStore(_ttl(config))
    held.push_async_callback(sessions.aclose)
    calls: Answering = Calls(models, config.fallbacks, metrics)
    toolbox = _toolbox(config, alarm, metrics, held, tracing)
    if toolbox is not None:
        calls = Rounds(calls, toolbox, (config.limits or LimitsConfig()).max_tool_rounds)
    budget = _budget(config, redis)
    gate = _gate(config.limits or LimitsConfig(), config.server or ServerConfig())
    default = config.default.name
    # The first component is the one that the agent cannot do without.
    components: list[Probed] = [models[default], *(model for name, model in models.items() if name != default)]
    health = Health([*components, *(part for part in (redis, toolbox) if part)], alarm, version(), metrics)
    for endless in (health.watch(), gate.load.watch(), watch(sessions), *([budget.watch()] if budget else [])):
        _run(endless, held)
    agent = Agent(config, prompt, calls, sessions, metrics, budget)
    return Parts(agent, health, gate, redis)


def http_session(tracing: "Tracing | None" = None) -> aiohttp.ClientSession:
    """What requests to models go through; all of them share it."""
    # Proxy variables are looked up for every request, so only where there are any.
    proxied = any(name.upper().endswith("_PROXY") for name in os.environ)
    headers = {"User-Agent": f"agent-runtime/{version()}"}
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    traced = [tracing.outgoing()] if tracing is not None else None
    return aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        # One caller's cookies are none of the next one's business.
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=proxied,
        trace_configs=traced,
    )


def make_model(
    config: ModelConfig, environment: Environment, session: aiohttp.ClientSession, alarm: asyncio.Event
) -> Model:
    """A model, with what the environment says of its credentials."""
    if config.provider == "echo":
        return EchoModel(config.name)
    # Imported here, as below: an agent loads only what its config uses.
    from agent_runtime.models.endpoint import RequestBuilder  # noqa: PLC0415
    from agent_runtime.models.openai import OpenAIModel  # noqa: PLC0415

    return OpenAIModel(config, RequestBuilder(config, environment), session, alarm)


def _redis(config: AgentConfig, environment: Environment, alarm: asyncio.Event) -> "RedisStore | None":
    cache = config.memory.cache if config.memory else None
    if cache is None or not cache.enabled:
        return None
    # For metrics that nobody reads here, redis would load whatever is installed of it: 60 modules, 2 MiB.
    with _hidden("opentelemetry"):
        from agent_runtime.memory.redis import RedisStore  # noqa: PLC0415

    return RedisStore(cache, environment, alarm)


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """While this lasts a module is as if it were not installed, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # how Python itself marks what cannot be imported
    try:
        yield
    finally:
        del sys.modules[module]


def _toolbox(
    config: AgentConfig, alarm: asyncio.Event, metrics: Metrics, held: AsyncExitStack, tracing: "Tracing | None"
) -> Toolbox | None:
    if not config.mcp:
        return None
    from agent_runtime.tools.mcp import McpServer  # noqa: PLC0415

    servers = [McpServer(one, alarm) for one in config.mcp]
    for server in servers:
        _run(server.run(), held)
    return Toolbox(servers if tracing is None else [tracing.tool_server(server) for server in servers], metrics)


def _ttl(config: AgentConfig) -> float:
    return config.memory.cache.ttl if config.memory and config.memory.cache else DEFAULT_TTL


def _budget(config: AgentConfig, redis: "RedisStore | None") -> Budget | None:
    per_day = config.budget.tokens_per_day if config.budget else None
    return Budget(per_day, redis) if per_day is not None else None


def _gate(limits: LimitsConfig, server: ServerConfig) -> Gate:
    keys = ApiKeys(Path(server.api_keys_file)) if server.api_keys_file is not None else None
    rate = RateLimit(limits.requests_per_minute) if limits.requests_per_minute is not None else None
    return Gate(keys, rate, Load(limits.max_concurrent_requests))


def _run(endless: Coroutine[Any, Any, None], held: AsyncExitStack) -> None:
    """Run a coroutine that never ends, until `held` does."""
    task = asyncio.create_task(endless)

    async def end() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    held.push_async_callback(end)
