"""The NetworkPolicy: it allows the connections that the spec needs, and no others."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from agent_operator.api import constants
from agent_operator.inputs import endpoints
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.shapes import mapping, mappings
from agent_operator.render.templates import View
from agent_runtime.config import MemoryConfig, addresses

_IPV6 = 6
DEFAULT_INGRESS = ("ingress-nginx",)
DEFAULT_MONITORING = ("monitoring",)


@dataclass(frozen=True, slots=True, order=True)
class Peer:
    """Pods of a namespace, all or by their labels, a range of addresses, or pods in the same namespace by labels."""

    namespace: str = ""
    cidr: str = ""
    excepted: tuple[str, ...] = ()
    pods: tuple[tuple[str, str], ...] = ()


def _outside(*, private: bool) -> tuple[Peer, ...]:
    return tuple(
        Peer(cidr=str(network), excepted=tuple(map(str, excepted)))
        for network, excepted in addresses.outside(private=private)
    )


# Everything outside of the cluster except metadata services, which serve the credentials of the node.
INTERNET, INTERNET_AND_PRIVATE = _outside(private=False), _outside(private=True)


# The port of the Service kubernetes, and the one on which API servers usually listen.
API_SERVER_PORTS = (443, 6443)


def network_policy(inputs: Inputs) -> View | None:
    """Return the view of the NetworkPolicy; None when the spec disables it."""
    policy = inputs.spec.network_policy
    if policy and policy.enabled is False:
        return None
    extra_in = (policy.extra_ingress if policy else None) or ()
    extra_out = (policy.extra_egress if policy else None) or ()
    # The policy also applies to the pods of the checks of a canary.
    own = {"selector": {constants.LABEL_AGENT: inputs.name}} if inputs.has_canary else {}
    return own | {
        "ingress": list(_ingress(inputs)),
        "dns": _dns(inputs.platform.dns_resolvers),
        "egress": _egress(inputs),
        "extra_ingress": [rule.model_dump(by_alias=True, exclude_none=True) for rule in extra_in],
        "extra_egress": [rule.model_dump(by_alias=True, exclude_none=True) for rule in extra_out],
    }


def egress_mode(view: View | None) -> str:
    """Return what a policy allows hosts outside of the cluster, as status.egress reports it."""
    if view is None:
        return "Disabled"
    peers = {peer for rule in view["egress"] for peer in rule["peers"]}
    if peers.issuperset(INTERNET_AND_PRIVATE):
        return "AllAddresses"
    return "PublicAddresses" if peers.issuperset(INTERNET) else "None"


def is_bounded(rule: Any, *, allow_link_local: bool = False) -> bool:
    """Return whether an egress rule names peers and ports, and opens no range with a metadata service but for DNS.

    The operator writes only such rules. Others who may write ControllerRevisions may not.

    Args:
        rule: a rule of a NetworkPolicy.
        allow_link_local: whether an MCP server of the revision may have a link-local address.
    """
    peers, ports = list(mappings(mapping(rule).get("to"))), list(mappings(mapping(rule).get("ports")))
    if not peers or peers != rule["to"] or ports != rule.get("ports"):
        return False
    numbers = {port.get("port") for port in ports}
    if not numbers or None in numbers or any("endPort" in port for port in ports):
        return False
    return all(_is_peer_bounded(peer, numbers <= constants.DNS_PORTS, allow_link_local) for peer in peers)


def _is_peer_bounded(peer: Mapping[str, Any], is_dns: bool, allow_link_local: bool) -> bool:
    block = mapping(peer.get("ipBlock"))
    if not block:
        labels = [mapping(mapping(peer.get(name)).get("matchLabels")) for name in ("namespaceSelector", "podSelector")]
        return any(labels)
    try:
        network = ipaddress.ip_network(block.get("cidr", ""))
        excepted = [ipaddress.ip_network(it) for it in block.get("except") or ()]
    except (TypeError, ValueError):
        return False
    if is_dns:
        return True
    if network.num_addresses == 1:
        return allow_link_local or not addresses.is_metadata(network.network_address)
    known = addresses.METADATA_V6 if network.version == _IPV6 else addresses.METADATA_V4
    return all(any(_covers(outer, it) for outer in excepted) for it in known if it.overlaps(network))


def _covers(outer: addresses.Network, inner: addresses.Network) -> bool:
    return outer.version == inner.version and outer.supernet_of(inner)  # type: ignore[arg-type]  # of the same version


def _ingress(inputs: Inputs) -> Iterator[View]:
    """Yield the callers of each port. Without callers there is no rule, because a rule without peers allows all."""
    policy, gateway = inputs.spec.network_policy, inputs.spec.gateway
    callers = policy.ingress_namespaces if policy else None
    scrapers = policy.monitoring_namespaces if policy else None
    gateways = [parent.namespace or inputs.namespace for parent in gateway.parent_refs] if gateway else []
    http = dict.fromkeys([*(DEFAULT_INGRESS if callers is None else callers), *gateways])
    # The operator reads the health of the components, and the metrics of canary and stable pods to compare them.
    operator = inputs.platform.operator_namespace
    metrics = dict.fromkeys([*(DEFAULT_MONITORING if scrapers is None else scrapers), operator])
    checks = [dict(_pods(inputs, constants.COMPONENT_CHECKS))] if inputs.has_canary else []
    # Without a list of namespaces, all pods of the agent's namespace may call it.
    neighbors: list[dict[str, str]] = [{}] if callers is None else checks
    for namespaces, pods, port in ((http, neighbors, constants.HTTP_PORT), (metrics, [], constants.METRICS_PORT)):
        if namespaces or pods:
            yield {"namespaces": list(namespaces), "pods": pods, "port": port}


def _pods(inputs: Inputs, component: str) -> tuple[tuple[str, str], ...]:
    """Return the labels of the pods of one component of the agent."""
    return ((constants.LABEL_AGENT, inputs.name), (constants.LABEL_COMPONENT, component))


def _egress(inputs: Inputs) -> list[View]:
    """Return the destinations that the pods may call: one rule for each set of peers, sorted by address."""
    config, identity = inputs.spec.config, inputs.spec.identity
    policy = inputs.spec.network_policy
    outside = INTERNET_AND_PRIVATE if policy and policy.allow_private_networks else INTERNET
    opened: dict[tuple[Peer, ...], set[int | str]] = {}
    # A proxy is nearly always in a private network.
    reached = [(endpoint, outside) for endpoint in endpoints.all_of(inputs.spec)]
    reached += [(proxy, INTERNET_AND_PRIVATE) for proxy in endpoints.proxies(inputs.spec)]
    link_local = {endpoints.mcp_endpoint(it, index) for index, it in enumerate(config.mcp) if it.allow_link_local}
    for endpoint, addresses_outside in reached:
        # Variables may name a metadata service, too. Only an MCP server may be allowed to have such an address.
        if not endpoint.is_loopback and (not endpoint.is_metadata or endpoint in link_local):
            for peers, port in _destinations(endpoint, inputs, addresses_outside):
                opened.setdefault(peers, set()).add(port)
    if inputs.has_canary:
        opened.setdefault((Peer(pods=_pods(inputs, constants.COMPONENT_AGENT)),), set()).add(constants.HTTP_PORT)
    azure = any(model.provider == "azure_openai" for model in config.models) or (
        config.memory is not None and _logs_in_with_entra(config.memory)
    )
    if azure or (identity and identity.azure_workload_identity):
        # Tokens come from Microsoft Entra ID. Only an Azure endpoint may be set by a variable instead of the spec.
        opened.setdefault(outside, set()).add(endpoints.HTTPS)
    if inputs.uses_api_server:
        # A NetworkPolicy sees the addresses of the API servers, which are outside of the cluster's pods.
        opened.setdefault(INTERNET_AND_PRIVATE, set()).update(API_SERVER_PORTS)
    return [{"peers": peers, "ports": sorted(ports, key=_port_order)} for peers, ports in sorted(opened.items())]


def _logs_in_with_entra(memory: MemoryConfig) -> bool:
    return bool(memory.cache and memory.cache.enabled and memory.cache.entra_id)


def _port_order(port: int | str) -> tuple[int, str]:
    return (port, "") if isinstance(port, int) else (0, port)


@cache
def _dns(resolvers: tuple[str, ...]) -> View:
    """Return the rule for the resolvers of the cluster. Pods of OpenShift's listen on 5353."""
    ports = [
        {"protocol": protocol, "port": port} for port in sorted(constants.DNS_PORTS) for protocol in ("UDP", "TCP")
    ]
    return {"to": [_resolver(resolver) for resolver in resolvers], "ports": ports}


def _resolver(text: str) -> View:
    namespace, _, label = text.partition("/")
    key, equals, value = label.partition("=")
    if label and not equals:
        return {"ipBlock": {"cidr": text}}
    selected = {"podSelector": {"matchLabels": {key: value}}} if label else {}
    return {"namespaceSelector": {"matchLabels": {constants.LABEL_NAMESPACE_NAME: namespace}}} | selected


def _destinations(
    endpoint: endpoints.Endpoint, inputs: Inputs, outside: tuple[Peer, ...]
) -> Iterator[tuple[tuple[Peer, ...], int | str]]:
    """Yield the peers behind a host, and their port. Of a Service that is not known, all pods of its namespace."""
    if endpoint.address is not None:
        yield (Peer(cidr=str(ipaddress.ip_network(endpoint.address))),), endpoint.port
        return
    name = endpoint.service(inputs.namespace)
    if name is None:
        yield outside, endpoint.port
        return
    target = inputs.services.get(name)
    is_certain = endpoint.namespace(inputs.namespace) is not None
    if target and target.selector:
        yield (Peer(namespace=name[0], pods=target.selector),), target.port(endpoint.port)
    elif is_certain:
        yield (Peer(namespace=name[0]),), endpoint.port
    elif name in inputs.services and target is None:
        # A name such as `redis.cache` is a domain if there is no such Service.
        yield outside, endpoint.port
    else:
        yield (Peer(namespace=name[0]), *outside), endpoint.port
