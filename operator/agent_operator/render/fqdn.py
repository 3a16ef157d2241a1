"""Egress by host name, where the cluster serves CiliumNetworkPolicy. Pure.

A NetworkPolicy cannot name hosts, so it allows every public address for a host outside of the cluster. With a
CiliumNetworkPolicy that names the hosts, the NetworkPolicy does not contain these addresses. The rule for DNS moves:
Cilium learns the addresses of a host from the responses that pass its DNS proxy. A rule of a NetworkPolicy for the same
resolvers could bypass the proxy, because it has no layer 7.

The hosts of a revision follow from its config and its pod template, which the hashes of the revision cover. So a stored
revision has its hosts, also if it was stored without this option.
"""

import ipaddress
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from agent_operator.api import constants
from agent_operator.inputs import endpoints
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render.revision import Revision
from agent_operator.render.templates import View
from agent_runtime.config import CONFIG_FILE, AgentFile, AgentSection, addresses
from agent_runtime.config.auth import AUTHORITY_VARIABLE, ENTRA
from agent_runtime.config.migrations import upgraded

Hosts = frozenset[tuple[str, int]]
Rule = Mapping[str, Any]

KIND = "CiliumNetworkPolicy"
MODE = "Hosts"
"""status.egress while only named hosts are allowed."""
# The cache keeps 64 files, so a larger one is parsed each time.
_MAX_CACHED_CHARS = 16 * 1024
_AZURE_ENDPOINT = "AZURE_OPENAI_ENDPOINT"
_POD_NAMESPACE = "k8s:io.kubernetes.pod.namespace"
# Denied even if a host has such an address. Cilium prefers a denial. A cache of DNS on the node is link-local, too.
_METADATA = (
    *("169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32"),
    *(str(network) for network in addresses.METADATA_V4 if not network.is_link_local),
    *(str(network) for network in addresses.METADATA_V6 if not network.is_link_local),
)


def hosts(revision: Revision, inputs: Inputs) -> Hosts | None:
    """Return names and ports of the hosts outside of the cluster to which the pods of a revision connect.

    None if they are not known: a Secret or the document of an issuer names one, or the config cannot be read. The API
    server, which has the keys of ServiceAccounts' tokens, has no name, either.
    """
    try:
        text = revision.config[CONFIG_FILE]
        config = _cached(text) if len(text) <= _MAX_CACHED_CHARS else _parsed(text)
        tokens = config.auth.jwt if config.auth else None
        if tokens is not None and tokens.jwks_url is None and tokens.preset != "entra_id":
            return None
        variables = _variables(revision.template)
        found = [*endpoints.of_config(config), *endpoints.in_variables(variables), *_azure(config, revision, variables)]
    except (KeyError, ValueError):
        return None
    return frozenset((it.host.rstrip("."), it.port) for it in found if _is_outside(it, inputs))


def _parsed(text: str) -> AgentSection:
    """Return the content of agent.toml.

    Raises:
        ValueError: it is not valid.
    """
    return AgentFile.model_validate(upgraded(tomllib.loads(text))).agent


# Each pass needs the content of all running revisions.
_cached = lru_cache(maxsize=64)(_parsed)


def _variables(template: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the variables of the agent; None for a value that others contain."""
    container = next(it for it in template["spec"]["containers"] if it["name"] == constants.CONTAINER)
    return {variable["name"]: variable.get("value") for variable in container.get("env", ())}


def _azure(
    config: AgentSection, revision: Revision, variables: Mapping[str, str | None]
) -> Iterator[endpoints.Endpoint]:
    """Yield Microsoft Entra ID, and the endpoint that a variable names.

    Raises:
        KeyError, ValueError: the host is not known.
    """
    models = [model for model in config.models if model.provider == "azure_openai"]
    cache = config.memory.cache if config.memory else None
    uses_entra = bool(models or (cache and cache.enabled and cache.entra_id))
    if not uses_entra and constants.LABEL_WORKLOAD_IDENTITY not in revision.template["metadata"]["labels"]:
        return
    yield endpoints.parse(variables.get(AUTHORITY_VARIABLE, ENTRA) or "", "spec.env")
    if any(model.endpoint is None for model in models):
        yield endpoints.parse(variables[_AZURE_ENDPOINT] or "", "spec.env")


def _is_outside(endpoint: endpoints.Endpoint, inputs: Inputs) -> bool:
    if endpoint.address is not None or endpoint.is_loopback or endpoint.namespace(inputs.namespace) is not None:
        return False
    target = inputs.services.get(endpoint.service(inputs.namespace) or ("", ""))
    return not (target and target.selector)


def policy(inputs: Inputs, found: Hosts) -> View:
    """Return the view of the CiliumNetworkPolicy."""
    own = {"selector": {constants.LABEL_AGENT: inputs.name}} if inputs.has_canary else {}
    return own | {"egress": egress(inputs, found), "denied": _denied(inputs)}


def egress(inputs: Inputs, found: Iterable[tuple[str, int]]) -> list[View]:
    """Return the rules for the resolvers, through the DNS proxy, and for each port of the hosts."""
    by_port: dict[int, list[str]] = {}
    for host, port in sorted(found):
        by_port.setdefault(port, []).append(host)
    resolvers = [_resolver(resolver) for resolver in inputs.platform.dns_resolvers]
    ports = {
        "ports": [{"port": str(port), "protocol": "ANY"} for port in sorted(constants.DNS_PORTS)],
        "rules": {"dns": [{"matchPattern": "*"}]},
    }
    pods, blocks = [it for it in resolvers if isinstance(it, dict)], [it for it in resolvers if isinstance(it, str)]
    peers: list[View] = [{"toEndpoints": pods}] if pods else []
    peers += [{"toCIDR": blocks}] if blocks else []
    return [peer | {"toPorts": [ports]} for peer in peers] + [
        {
            "toFQDNs": [{"matchName": host} for host in by_port[port]],
            "toPorts": [{"ports": [{"port": str(port), "protocol": "TCP"}]}],
        }
        for port in sorted(by_port)
    ]


def _resolver(text: str) -> View | str:
    """Return the labels of pods, or a range of addresses."""
    namespace, _, label = text.partition("/")
    key, equals, value = label.partition("=")
    if label and not equals:
        return text
    return {"matchLabels": {_POD_NAMESPACE: namespace} | ({f"k8s:{key}": value} if label else {})}


def _denied(inputs: Inputs) -> list[str]:
    """Return the metadata services, without those that the spec or the operator's options allow."""
    allowed = {endpoint.host for endpoint in endpoints.all_of(inputs.spec) if endpoint.address is not None}
    resolvers = inputs.platform.dns_resolvers
    return [block for block in _METADATA if block not in resolvers and block.partition("/")[0] not in allowed]


def without_outside(rules: Iterable[Rule]) -> list[Rule]:
    """Return the operator's own rules of a NetworkPolicy without DNS and without ranges outside of the cluster."""
    kept: list[Rule] = []
    for rule in without_dns(rules):
        peers = [peer for peer in rule["to"] if not _is_range(peer)]
        kept += [{**rule, "to": peers}] if peers else []
    return kept


def without_dns(rules: Iterable[Rule]) -> list[Rule]:
    """Return the operator's own rules of a NetworkPolicy without the one for the resolvers."""
    return [rule for rule in rules if not {port["port"] for port in rule["ports"]} <= constants.DNS_PORTS]


def allows_outside(rules: Iterable[Rule]) -> bool:
    """Return whether the operator's own rules of a NetworkPolicy, without DNS, contain ranges of addresses."""
    return any(_is_range(peer) for rule in rules for peer in rule["to"])


def _is_range(peer: Mapping[str, Any]) -> bool:
    return "ipBlock" in peer and ipaddress.ip_network(peer["ipBlock"]["cidr"]).num_addresses > 1
