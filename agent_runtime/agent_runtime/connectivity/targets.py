"""The servers that an agent connects to, from its config and its environment. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from agent_runtime.config import AgentSection, ModelConfig
from agent_runtime.config.auth import ENTRA
from agent_runtime.config.default_credentials import OPENAI_API
from agent_runtime.config.terminal import one_line
from agent_runtime.environment import Environment

MOST_TARGETS = 64
_PORTS = {"http": 80, "https": 443}
_LONGEST_HOST = 253
# The client of MCP and that of traces also use ALL_PROXY.
_USE_ALL_PROXY = ("mcp: ", "traces")


class ProxyOf(Protocol):
    """Finds the proxy of a URL, such as http://proxy.example.com:3128; None without one. See proxies.proxy_of."""

    def __call__(self, url: str, *, for_all: bool) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `login` is the user and the password for it, which no report contains."""

    host: str
    port: int
    tls: bool = False
    login: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A server that a component connects to.

    Attributes:
        component: name of the component in /health, such as a model or redis.
        field: the field of agent.toml, or the variable, that names the server.
        host: DNS name or IP address.
        port: TCP port.
        is_http: whether a proxy that forwards HTTP may be used.
        tls: whether the server speaks TLS.
        proxy: the proxy that the agent uses for this server.
        ca_file: path of additional certificate authorities.
        server_name: name that the certificate must have; empty for the host.
        allow_link_local: whether the address may be link-local.
    """

    component: str
    field: str
    host: str
    port: int
    is_http: bool = True
    tls: bool = False
    proxy: Proxy | None = None
    ca_file: str = ""
    server_name: str = ""
    allow_link_local: bool = False

    @property
    def address(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def targets(config: AgentSection, environment: Environment, proxy_of: ProxyOf, authority: str = ENTRA) -> list[Target]:
    """Return the servers of models, Redis, MCP, callers' tokens, Microsoft Entra ID and traces: a bounded number.

    Args:
        config: the config of the agent.
        environment: the variables of the agent.
        proxy_of: the proxy for a URL.
        authority: URL of Microsoft Entra ID.
    """
    found = (
        *(_of_model(index, model, environment, proxy_of) for index, model in enumerate(config.models)),
        *_of_redis(config),
        *_of_tools(config, proxy_of),
        _of_keys(config, proxy_of, authority),
        _of_identity(config, environment, proxy_of, authority),
        _of_traces(environment, proxy_of),
    )
    return list(islice((target for target in found if target is not None), MOST_TARGETS))


def _of_model(index: int, model: ModelConfig, environment: Environment, proxy_of: ProxyOf) -> Target | None:
    if model.provider == "echo":
        return None
    if model.provider == "openai":
        own, name, variable = model.base_url, "base_url", environment.openai_base_url
        url = own or variable or OPENAI_API
        other = "OPENAI_BASE_URL" if variable else f"agent.models[{index}].base_url (default)"
    else:
        own, name = model.endpoint, "endpoint"
        url, other = own or environment.azure_openai_endpoint or "", "AZURE_OPENAI_ENDPOINT"
    field = f"agent.models[{index}].{name}" if own else other
    ca_file = (model.tls.ca_file or "") if model.tls else ""
    return _of_url(model.name, field, url, proxy_of, ca_file=ca_file)


def _of_redis(config: AgentSection) -> Iterator[Target]:
    cache = config.memory.cache if config.memory else None
    if cache is None or not cache.enabled:
        return
    ca_file = (cache.tls.ca_file or "") if cache.tls else ""
    name = (cache.tls.server_name or "") if cache.tls else ""
    addresses = list(cache.sentinel.addresses) if cache.sentinel else [(cache.host or "", cache.port)]
    for index, (host, port) in enumerate(addresses):
        field = f"agent.memory.cache.sentinel.hosts[{index}]" if cache.sentinel else "agent.memory.cache.host"
        yield Target("redis", field, host, port, is_http=False, tls=cache.ssl, ca_file=ca_file, server_name=name)


def _of_tools(config: AgentSection, proxy_of: ProxyOf) -> Iterator[Target | None]:
    for index, server in enumerate(config.mcp):
        if server.url:
            field = f"agent.mcp[{index}].url"
            allowed = server.allow_link_local
            yield _of_url(f"mcp: {server.name}", field, server.url, proxy_of, allow_link_local=allowed)


def _of_keys(config: AgentSection, proxy_of: ProxyOf, authority: str) -> Target | None:
    tokens = config.auth.jwt if config.auth else None
    url = tokens.keys_url(authority) if tokens else None
    field = f"agent.auth.jwt.{'jwks_url' if tokens and tokens.jwks_url else 'issuer'}"
    return _of_url("jwks", field, url, proxy_of) if url else None


def _of_identity(config: AgentSection, environment: Environment, proxy_of: ProxyOf, authority: str) -> Target | None:
    """Return Microsoft Entra ID, if a model or Redis gets tokens from it."""
    azure = any(model.provider == "azure_openai" and model.api_key_from is None for model in config.models)
    for_models = azure and environment.azure_openai_api_key is None
    cache = config.memory.cache if config.memory else None
    for_redis = bool(cache and cache.enabled and cache.entra_id)
    if not (for_models or for_redis) or environment.azure_tenant_id is None:
        return None
    url = authority if "://" in authority else f"https://{authority}"
    return _of_url("entra-id", "AZURE_AUTHORITY_HOST", url, proxy_of)


def _of_traces(environment: Environment, proxy_of: ProxyOf) -> Target | None:
    url = environment.otel_exporter_otlp_endpoint
    return _of_url("traces", "OTEL_EXPORTER_OTLP_ENDPOINT", url, proxy_of) if url else None


def _of_url(
    component: str,
    field: str,
    url: str,
    proxy_of: ProxyOf,
    *,
    ca_file: str = "",
    allow_link_local: bool = False,
) -> Target | None:
    """Return the server of a URL; None for an invalid one, which the component itself reports."""
    parts, port = _split(url)
    if parts is None or not parts.hostname:
        return None
    return Target(
        component,
        field,
        one_line(parts.hostname[:_LONGEST_HOST]),
        port,
        tls=parts.scheme == "https",
        proxy=parse_proxy(proxy_of(url, for_all=component.startswith(_USE_ALL_PROXY))),
        ca_file=ca_file,
        allow_link_local=allow_link_local,
    )


def parse_proxy(url: str | None) -> Proxy | None:
    """Return the proxy of a URL; None without one, or if the URL is invalid."""
    parts, port = _split(url or "")
    if parts is None or not parts.hostname:
        return None
    login = (parts.username, parts.password or "") if parts.username else None
    return Proxy(one_line(parts.hostname[:_LONGEST_HOST]), port, tls=parts.scheme == "https", login=login)


def _split(url: str) -> tuple[SplitResult | None, int]:
    try:
        parts = urlsplit(url)
        return parts, parts.port or _PORTS.get(parts.scheme, 80)
    except ValueError:
        return None, 0
