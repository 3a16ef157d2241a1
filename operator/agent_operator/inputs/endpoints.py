"""The addresses that an agent connects to: for the NetworkPolicy, and for validation."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agent_operator.api import constants
from agent_operator.api.v1alpha1 import AgentDeploymentSpec
from agent_operator.inputs import tracing
from agent_operator.kube.shapes import mapping, mappings
from agent_runtime.config import AgentConfig, McpServerConfig, ModelConfig
from agent_runtime.config.addresses import is_metadata
from agent_runtime.config.default_credentials import OPENAI_API

HTTPS = 443
_MOST_SERVICES = 64
TRACE_VARIABLES = (tracing.ENDPOINT, tracing.TRACES_ENDPOINT)
PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9])?(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9])?)*")
_PRIVATE_DOMAIN = re.compile(
    r"\.(corp|home\.arpa|internal|intranet|lan|local|localdomain|private)$|(^|\.)privatelink\."
)
_IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class EndpointError(ValueError):
    """An address is invalid. The message has the remedy.

    Attributes:
        field: its path in the spec.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A TCP address. `field` is the path of the field in the spec."""

    host: str
    port: int
    field: str

    @property
    def address(self) -> _IpAddress | None:
        """The host as an IP address; None for a DNS name. An IPv4-mapped address is the IPv4 address in it."""
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return None
        return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address

    @property
    def is_loopback(self) -> bool:
        """Whether it is the pod itself. NetworkPolicies do not apply to loopback traffic."""
        return self.host == "localhost" or (self.address is not None and self.address.is_loopback)

    @property
    def is_metadata(self) -> bool:
        """Whether it is the metadata service of a cloud."""
        return self.address is not None and is_metadata(self.address)

    @property
    def is_private_name(self) -> bool:
        """Whether the host has a domain that only private networks resolve, such as corp.internal."""
        return self.address is None and bool(_PRIVATE_DOMAIN.search(self.host.rstrip(".")))

    def namespace(self, own: str) -> str | None:
        """Return the namespace of the Service that the host names; None if the host is outside of the cluster.

        Args:
            own: namespace of the pods. A name without dots is a Service in this namespace.
        """
        labels = self.host.rstrip(".").split(".")
        if self.address is not None:
            return None
        if len(labels) == 1:
            return own
        if "svc" in labels[2:]:
            return labels[labels.index("svc", 2) - 1]
        return None

    def service(self, own: str) -> tuple[str, str] | None:
        """Return namespace and name of the Service that the host names, or may name; None for another host."""
        labels = self.host.rstrip(".").split(".")
        if namespace := self.namespace(own):
            return namespace, labels[0] if len(labels) == 1 else labels[labels.index("svc", 2) - 2]
        return (self.maybe_namespace, labels[0]) if self.maybe_namespace else None

    @property
    def maybe_namespace(self) -> str | None:
        """Namespace that a host like `redis.cache` may name: it is a Service in the pod's search list, or a domain."""
        labels = self.host.split(".")
        return labels[1] if len(labels) == 2 and all(labels) else None  # noqa: PLR2004  (name and namespace)


def url_of(model: ModelConfig) -> tuple[str, str] | None:
    """Return the URL of a model and the field that contains it; None without a URL."""
    if model.provider == "openai":
        return model.base_url or OPENAI_API, "baseUrl"
    return (model.endpoint, "endpoint") if model.endpoint else None


def parse(url: str, field: str, remedy: str = "move it to spec.credentials") -> Endpoint:
    """Return host and port of a URL.

    Args:
        url: the URL.
        field: its path in the spec.
        remedy: what to do with a user or password in it.

    Raises:
        EndpointError: the URL is invalid. The message does not quote the URL, which may contain a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise EndpointError(field, "not a valid URL: use https://host:port/path") from None
    if parts.username is not None:
        message = f"must not contain a user or password, because it becomes part of a ConfigMap: {remedy}"
        raise EndpointError(field, message)
    if not host or port == 0:
        raise EndpointError(field, "has no host, or port 0: use https://host:port/path")
    return _endpoint(host, port or (HTTPS if parts.scheme == "https" else 80), field)


def _endpoint(host: str, port: int, field: str) -> Endpoint:
    endpoint = Endpoint(host.lower(), port, field)
    if "%" in host or (endpoint.address is None and not _HOST.fullmatch(endpoint.host.removesuffix("."))):
        raise EndpointError(field, "the host is neither a DNS name nor an IP address: correct it")
    return endpoint


def model_endpoint(model: ModelConfig, index: int) -> Endpoint | None:
    """Return the endpoint of a model; None for provider echo, or if only the environment contains it.

    Raises:
        EndpointError: as `parse`.
    """
    found = url_of(model)
    return parse(found[0], f"spec.config.models[{index}].{found[1]}") if found else None


def mcp_endpoint(server: McpServerConfig, index: int) -> Endpoint | None:
    """Return the endpoint of an MCP server; None for a process in the pod.

    Raises:
        EndpointError: as `parse`.
    """
    return parse(server.url, f"spec.config.mcp[{index}].url") if server.url else None


def keys_endpoint(config: AgentConfig) -> Endpoint | None:
    """Return the endpoint of the keys for callers' tokens; None without one, or if it is the API server.

    Raises:
        EndpointError: as `parse`.
    """
    tokens = config.auth.jwt if config.auth else None
    url = tokens.keys_url() if tokens else None
    if tokens is None or url is None:
        return None
    field = f"spec.config.auth.jwt.{'jwksUrl' if tokens.jwks_url else 'issuer'}"
    return parse(url, field, "remove it, because the keys of an issuer are public")


def trace_endpoints(spec: AgentDeploymentSpec) -> tuple[Endpoint, ...]:
    """Return the valid endpoints of traces in spec.monitoring and in the plain values of spec.env."""
    found = []
    if spec.monitoring and (wanted := spec.monitoring.tracing):
        with suppress(ValueError):
            found.append(parse(wanted.endpoint, f"{tracing.FIELD}.endpoint"))
    for index, variable in enumerate(spec.env or ()):
        if variable.name in TRACE_VARIABLES and variable.value:
            with suppress(ValueError):
                found.append(parse(variable.value, f"spec.env[{index}].value"))
    return tuple(found)


def redis_endpoint(config: AgentConfig) -> Endpoint | None:
    """Return the endpoint of Redis; None if it is not used.

    Raises:
        EndpointError: the host is invalid.
    """
    cache = config.memory.cache if config.memory else None
    if cache is None or not cache.enabled or cache.host is None:
        return None
    return _endpoint(cache.host, cache.port, "spec.config.memory.cache.host")


def sentinel_endpoints(config: AgentConfig) -> Iterator[Endpoint]:
    """Yield the Sentinels, and the servers of Redis next to them.

    Raises:
        EndpointError: a host is invalid.
    """
    cache = config.memory.cache if config.memory else None
    if cache is None or not cache.enabled or cache.sentinel is None:
        return
    for index, (host, port) in enumerate(cache.sentinel.addresses):
        field = f"spec.config.memory.cache.sentinel.hosts[{index}]"
        yield _endpoint(host, port, field)
        # Charts run a Sentinel in each pod of Redis. Servers elsewhere are in host or extraEgress.
        yield _endpoint(host, cache.port, field)


def all_of(spec: AgentDeploymentSpec) -> tuple[Endpoint, ...]:
    """Return the endpoints of models, Redis, the keys of callers' tokens, MCP servers and the trace collector.

    Raises:
        EndpointError: as `parse`.
    """
    return (*of_config(spec.config), *trace_endpoints(spec))


def of_config(config: AgentConfig) -> tuple[Endpoint, ...]:
    """Return the endpoints of models, Redis and MCP servers.

    Raises:
        EndpointError: as `parse`.
    """
    found = [
        *(model_endpoint(model, index) for index, model in enumerate(config.models)),
        redis_endpoint(config),
        *(sentinel_endpoints(config) if config.memory else ()),
        keys_endpoint(config),
        *(mcp_endpoint(server, index) for index, server in enumerate(config.mcp)),
    ]
    return tuple(endpoint for endpoint in found if endpoint)


def in_variables(variables: Mapping[str, str | None]) -> Iterator[Endpoint]:
    """Yield the trace collector and the proxies in variables of the agent. None: a value that is not known."""
    for name, value in variables.items():
        if value and name in TRACE_VARIABLES:
            with suppress(ValueError):
                yield parse(value, "spec.env")
        elif value and name.upper() in PROXY_VARIABLES:
            with suppress(ValueError):
                yield parse(value if "://" in value else f"http://{value}", "spec.env")


def proxies(spec: AgentDeploymentSpec) -> Iterator[Endpoint]:
    """Yield the proxies of spec.proxy, and those in plain variables of the agent.

    Raises:
        EndpointError: the URL in spec.proxy is invalid.
    """
    if spec.proxy:
        yield parse(spec.proxy.https_proxy, "spec.proxy.httpsProxy")
        if spec.proxy.http_proxy:
            yield parse(spec.proxy.http_proxy, "spec.proxy.httpProxy")
    for name, value in _plain_variables(spec):
        if name.upper() in PROXY_VARIABLES and isinstance(value, str):
            try:
                yield parse(value if "://" in value else f"http://{value}", "spec.env")
            except ValueError:
                continue  # the clients of the runtime ignore it, or report it


def _plain_variables(spec: AgentDeploymentSpec) -> Iterator[tuple[str, Any]]:
    yield from ((variable.name, variable.value) for variable in spec.env or ())
    if not spec.pod_template:
        return
    for container in mappings(mapping(spec.pod_template.get("spec")).get("containers")):
        if container.get("name") == constants.CONTAINER:
            yield from ((str(it.get("name")), it.get("value")) for it in mappings(container.get("env")))


def services(spec: AgentDeploymentSpec, own_namespace: str) -> tuple[tuple[str, str], ...]:
    """Return namespace and name of the Services that hosts in a spec name, or may name: a bounded number."""
    policy = spec.network_policy
    if policy and policy.enabled is False:
        return ()
    try:
        found = (*all_of(spec), *proxies(spec))
    except ValueError:
        return ()
    names = (endpoint.service(own_namespace) for endpoint in found if not endpoint.is_loopback)
    return tuple(dict.fromkeys(name for name in names if name))[:_MOST_SERVICES]
