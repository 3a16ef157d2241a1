"""Create the parts of the agent from its config."""

import asyncio
import os
import sys
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from agent_runtime.agent.agent import Agent
from agent_runtime.agent.budget import Budget
from agent_runtime.agent.embeddings import Embeddings
from agent_runtime.agent.metering import MeteredCompletions
from agent_runtime.agent.prices import Prices
from agent_runtime.agent.tool_loop import ChatCompletions, ToolLoop
from agent_runtime.config import AgentConfig, LimitsConfig, ModelConfig, ServerConfig
from agent_runtime.config.default_credentials import DefaultCredentials
from agent_runtime.environment import Environment, version
from agent_runtime.health import Component, Health
from agent_runtime.http.api_keys import ApiKeys
from agent_runtime.http.callers import Callers
from agent_runtime.http.limits import Gate, Load, RateLimit
from agent_runtime.memory.base import SessionStore, watch
from agent_runtime.memory.local import LocalStore
from agent_runtime.metrics import Metrics
from agent_runtime.models.base import Model
from agent_runtime.models.echo import EchoModel
from agent_runtime.models.fallbacks import Calls
from agent_runtime.models.guard import checked_socket
from agent_runtime.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from agent_runtime.http.tokens import Tokens
    from agent_runtime.memory.redis import RedisStore
    from agent_runtime.models.openai import OpenAIModel
    from agent_runtime.tracing.tracing import Tracing

DEFAULT_TTL = 300.0


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that the routes use."""

    agent: Agent
    embeddings: Embeddings
    health: Health
    gate: Gate
    redis: "RedisStore | None"
    budget: Budget | None


async def assemble(
    config: AgentConfig,
    prompt: str,
    environment: Environment,
    metrics: Metrics,
    stack: AsyncExitStack,
    tracing: "Tracing | None" = None,
) -> Parts:
    """Create the parts. When `stack` closes, it stops their background tasks and closes their connections."""
    limits, probe_now = config.limits or LimitsConfig(), asyncio.Event()
    models = await _models(config, environment, probe_now, stack, tracing)
    redis = _redis(config, environment, probe_now)
    sessions: SessionStore = redis or LocalStore(_ttl(config))
    stack.push_async_callback(sessions.aclose)
    toolbox = _toolbox(config, probe_now, metrics, stack, tracing)
    tokens = await _tokens(config, stack, tracing)
    budget, prices = _budget(config, redis, metrics), _prices(config, stack)
    gate = _gate(limits, config.server or ServerConfig(), tokens)
    for_embeddings = {model.name for model in config.models if model.api == "embeddings"}
    chatting = {name: model for name, model in models.items() if name not in for_embeddings}
    for model in config.models:
        metrics.gen_ai.name_model(model.name, model.provider, model.deployment or model.model or model.name)
    timeouts = {model.name: model.timeouts for model in config.models if model.timeouts}
    calls = Calls(chatting, config.fallbacks, metrics, limits.request_timeout_seconds, timeouts)
    completions: ChatCompletions = MeteredCompletions(calls, metrics, budget, prices=prices)
    if toolbox is not None:
        completions = ToolLoop(completions, toolbox, limits.max_tool_rounds)
    others = {name: models[name] for name in for_embeddings}
    embedding = Calls(others, (), metrics, limits.request_timeout_seconds, timeouts)
    called, keys = calls.components() | embedding.components(), tokens.keys if tokens else None
    components = _components(config.default.name, called, redis, toolbox, keys, _needed(config, prices))
    health = Health(components, probe_now, version(), metrics, frozenset(config.fallbacks) - {config.default.name})
    for loop in (health.watch(), gate.load.watch(), watch(sessions), *([budget.watch()] if budget else [])):
        _run(loop, stack)
    embeddings = Embeddings(config, MeteredCompletions(embedding, metrics, budget, "embeddings", prices), budget)
    return Parts(Agent(config, prompt, completions, sessions, metrics, budget), embeddings, health, gate, redis, budget)


async def _models(
    config: AgentConfig,
    environment: Environment,
    probe_now: asyncio.Event,
    stack: AsyncExitStack,
    tracing: "Tracing | None",
) -> dict[str, Model]:
    """Create the models by name. They share one HTTP session."""
    session = await stack.enter_async_context(http_session(tracing))
    models = make_models(config.models, config.models, environment, session, probe_now)
    if tracing is not None:
        models = {model.name: tracing.model(models[model.name], model) for model in config.models}
    for model in models.values():
        stack.push_async_callback(model.aclose)
    return models


def _components(default: str, models: Mapping[str, Component], *parts: Component | None) -> list[Component]:
    """Return what Health probes. The first one is vital: without the default model the agent cannot work."""
    others = [model for name, model in models.items() if name != default]
    return [models[default], *others, *(part for part in parts if part)]


def http_session(tracing: "Tracing | None" = None) -> aiohttp.ClientSession:
    """Create the session for requests to models. All models share its connections."""
    # With trust_env, aiohttp looks for proxy variables at every request. Use it only if there are any.
    proxied = any(name.upper().endswith("_PROXY") for name in os.environ)
    headers = {"User-Agent": f"agent-runtime/{version()}"}
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60, socket_factory=checked_socket)
    traced = [tracing.outgoing()] if tracing is not None else None
    return aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        auto_decompress=False,
        # Do not share cookies between callers.
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=proxied,
        trace_configs=traced,
    )


def make_models(
    chosen: Iterable[ModelConfig],
    configured: Sequence[ModelConfig],
    environment: Environment,
    session: aiohttp.ClientSession,
    probe_now: asyncio.Event,
) -> dict[str, Model]:
    """Create models by name. Their credentials come from environment variables, and depend on all configured models."""
    defaults = DefaultCredentials(configured, environment.openai_base_url, environment.azure_openai_endpoint)
    return {model.name: _model(model, environment, defaults, session, probe_now) for model in chosen}


def _model(
    config: ModelConfig,
    environment: Environment,
    defaults: DefaultCredentials,
    session: aiohttp.ClientSession,
    probe_now: asyncio.Event,
) -> Model:
    if config.provider == "echo":
        return EchoModel(config.name)
    # These imports are local, like those below, so that an agent loads only the modules that its config uses.
    from agent_runtime.models.endpoint import RequestBuilder  # noqa: PLC0415

    return _model_type(config)(config, RequestBuilder(config, environment, defaults), session, probe_now)


def _model_type(config: ModelConfig) -> "type[OpenAIModel]":
    """Return the class of a model for its API."""
    if config.api == "responses":
        from agent_runtime.models.responses_model import ResponsesModel  # noqa: PLC0415

        return ResponsesModel
    if config.api == "embeddings":
        from agent_runtime.models.embeddings_model import EmbeddingsModel  # noqa: PLC0415

        return EmbeddingsModel
    from agent_runtime.models.openai import OpenAIModel  # noqa: PLC0415

    return OpenAIModel


def _redis(config: AgentConfig, environment: Environment, probe_now: asyncio.Event) -> "RedisStore | None":
    cache = config.memory.cache if config.memory else None
    if cache is None or not cache.enabled:
        return None
    # If OpenTelemetry is installed, redis loads 60 of its modules (2 MiB) for metrics that the runtime does not use.
    with _hidden("opentelemetry"):
        from agent_runtime.memory.redis import RedisStore  # noqa: PLC0415

    return RedisStore(cache, environment, probe_now)


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Make imports of a module fail as if it were not installed, unless it is already loaded."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # None makes Python refuse the import
    try:
        yield
    finally:
        del sys.modules[module]


def _toolbox(
    config: AgentConfig, probe_now: asyncio.Event, metrics: Metrics, stack: AsyncExitStack, tracing: "Tracing | None"
) -> Toolbox | None:
    if not config.mcp:
        return None
    from agent_runtime.tools.mcp import McpServer  # noqa: PLC0415

    propagate = tracing.propagate if tracing is not None else lambda _: None
    servers = [McpServer(server, probe_now, propagate) for server in config.mcp]
    for server in servers:
        _run(server.run(), stack)
    return Toolbox(servers if tracing is None else [tracing.tool_server(server) for server in servers], metrics)


def _ttl(config: AgentConfig) -> float:
    return config.memory.cache.ttl if config.memory and config.memory.cache else DEFAULT_TTL


def _budget(config: AgentConfig, redis: "RedisStore | None", metrics: Metrics) -> Budget | None:
    budget = Budget(config.budget, redis) if config.budget else None
    for it in budget.allowances if budget else ():
        metrics.budget_used.labels(it.unit, it.period).set_function(it.used_share)
    return budget


def _prices(config: AgentConfig, stack: AsyncExitStack) -> Prices | None:
    file = config.prices.file if config.prices else None
    if file is None:
        return None
    free = {it.name for it in config.models if it.provider == "echo"}
    prices = Prices(Path(file), {it.name: it.deployment or it.model or it.name for it in config.models}, free)
    _run(prices.watch(), stack)
    return prices


def _needed(config: AgentConfig, prices: Prices | None) -> Prices | None:
    """Return the prices if a budget depends on them."""
    limits = config.budget
    return prices if limits and (limits.cost_per_day or limits.cost_per_month) else None


async def _tokens(config: AgentConfig, stack: AsyncExitStack, tracing: "Tracing | None") -> "Tokens | None":
    """Create the check of callers' tokens. Its library takes 10 MiB."""
    wanted = config.auth.jwt if config.auth else None
    if wanted is None:
        return None
    from agent_runtime.http.issuer import Issuer  # noqa: PLC0415
    from agent_runtime.http.key_set import KeySet  # noqa: PLC0415
    from agent_runtime.http.tokens import Tokens  # noqa: PLC0415

    issuer = Issuer(wanted, await stack.enter_async_context(http_session(tracing)), os.environ)
    return Tokens(wanted, issuer, KeySet(issuer.keys))


def _gate(limits: LimitsConfig, server: ServerConfig, tokens: "Tokens | None") -> Gate:
    keys = ApiKeys(Path(server.api_keys_file)) if server.api_keys_file is not None else None
    rate = RateLimit(limits.requests_per_minute) if limits.requests_per_minute is not None else None
    return Gate(Callers(keys, tokens), rate, Load(limits.max_concurrent_requests))


def _run(loop: Coroutine[Any, Any, None], stack: AsyncExitStack) -> None:
    """Run an endless coroutine in the background until `stack` closes."""
    task = asyncio.create_task(loop)

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)
