"""What each agent's NetworkPolicy allows and denies, by an evaluator of the semantics of the API."""

import ipaddress
from dataclasses import dataclass
from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.service_targets import ServiceTarget
from agent_operator.render import Inputs, Rendered, render


@dataclass(frozen=True)
class Peer:
    """The other end: a pod, by the name of its namespace and its labels, or an address outside the cluster."""

    namespace: str = ""
    address: str = ""
    labels: tuple[tuple[str, str], ...] = ()


def allows(policy: dict[str, Any], direction: str, peer: Peer, port: int, protocol: str = "TCP") -> bool:
    """Return whether the rules of a policy allow a connection (networking.k8s.io/v1)."""
    side = {"Ingress": "from", "Egress": "to"}[direction]
    if direction not in policy["spec"]["policyTypes"]:
        return True
    rules = policy["spec"].get(direction.lower(), [])
    return any(
        (side not in rule or any(_is_peer(given, peer, policy["metadata"]["namespace"]) for given in rule[side]))
        and ("ports" not in rule or any(_is_port(given, port, protocol) for given in rule["ports"]))
        for rule in rules
    )


def _is_peer(given: dict[str, Any], peer: Peer, own_namespace: str) -> bool:
    if block := given.get("ipBlock"):
        if not peer.address:
            return False
        address = ipaddress.ip_address(peer.address)
        inside = [address in ipaddress.ip_network(cidr) for cidr in [block["cidr"], *block.get("except", [])]]
        return inside[0] and not any(inside[1:])
    if not peer.namespace:
        return False
    selector = given.get("namespaceSelector")
    in_namespace = (
        peer.namespace == own_namespace
        if selector is None
        else _matches(selector, {"kubernetes.io/metadata.name": peer.namespace})
    )
    return in_namespace and _matches(given.get("podSelector", {}), dict(peer.labels))


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert not selector.get("matchExpressions"), "not evaluated here"
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def _is_port(given: dict[str, Any], port: int, protocol: str) -> bool:
    if given.get("protocol", "TCP") != protocol:
        return False
    first = given.get("port")
    return first is None or first <= port <= given.get("endPort", first)


INGRESS, SCRAPER, OPERATOR = Peer("ingress-nginx"), Peer("monitoring"), Peer("agent-operator-system")
STRANGER, CALLER = Peer("team-a"), Peer("team-a", labels=(("role", "caller"),))
PUBLIC, PUBLIC_6, METADATA, METADATA_6 = (
    Peer(address=text) for text in ("20.1.2.3", "2603:1030::1", "169.254.169.254", "fd00:ec2::254")
)
OWN = (("agent-operator.dev/agent", "support"),)
CHECKS = Peer("team-a", labels=(*OWN, ("app.kubernetes.io/component", "checks")))
PODS = Peer("team-a", labels=(*OWN, ("app.kubernetes.io/component", "api")))
OTHER_CHECKS = Peer("team-b", labels=CHECKS.labels)
DNS, NODE_DNS = Peer("kube-system", labels=(("k8s-app", "kube-dns"),)), Peer(address="169.254.20.10")

# What a case allows in addition to DNS, and to the operator, which reads the health of components. Every other
# combination of the peers and ports below is denied.
PRIVATE = tuple(
    Peer(address=text)
    for text in ("10.1.2.3", "10.1.2.4", "10.8.0.1", "10.9.0.1", "192.168.1.1", "100.64.0.1", "fd12::1")
)
WORLD = (PUBLIC, PUBLIC_6)
NGINX = {("in", INGRESS, 8000)}
PROMETHEUS = {("in", SCRAPER, 9090)}
# A rule for a namespace applies to every pod in it.
OF_TEAM = (STRANGER, CALLER, CHECKS, PODS)
NEIGHBORS = {("in", peer, 8000) for peer in OF_TEAM}
USUAL = NGINX | PROMETHEUS | NEIGHBORS


def every_address(port: int) -> set[tuple[str, Peer, int]]:
    """Every public address. Private ones need a Service, an address in the spec, or allowPrivateNetworks."""
    return {("out", peer, port) for peer in WORLD}


AZURE = every_address(443)
# A proxy may have a private address.
PROXY = {("out", peer, 3128) for peer in (*WORLD, *PRIVATE)}
CANARY = {("in", OPERATOR, 9090), ("in", CHECKS, 8000), ("out", PODS, 8000)}
OPEN: dict[str, set[tuple[str, Peer, int]]] = {
    "minimal": USUAL | AZURE,
    # The children are in another namespace.
    "own-namespace": NGINX | PROMETHEUS,
    "seed": NGINX | PROMETHEUS | AZURE | {("out", Peer("redis"), 6379)},
    "secret-keys": USUAL | AZURE,
    "secret-values": USUAL | AZURE,
    "external-secret": USUAL | AZURE,
    "key-vault": USUAL | AZURE,
    "model-keys": USUAL | AZURE,
    # Hosts outside of the cluster are in the policy of Cilium. What remains is addresses, Services and extraEgress.
    "hosts": USUAL
    | {("out", Peer("models"), 8000), ("out", Peer(address="10.1.2.3"), 9000)}
    | {("out", Peer(address=text), 443) for text in ("10.1.2.3", "10.1.2.4")},
    "workload-identity": USUAL | AZURE,
    "redis-cluster": USUAL | AZURE | every_address(10000),
    # Redis is next to its Sentinels.
    "redis-sentinel": USUAL
    | {("out", Peer("cache"), 26380), ("out", Peer("cache"), 6379)}
    | {("out", Peer(address="10.1.2.3"), 26379), ("out", Peer(address="10.1.2.3"), 6379)},
    "redis": USUAL | every_address(6380) | {("out", Peer("cache"), 6380)},
    "model-apis": USUAL | AZURE,
    "models-that-differ": USUAL | AZURE,
    "models": USUAL
    | AZURE
    | {("out", Peer("models"), 8000), ("out", Peer("models"), 8001)}
    | {("out", peer, 11434) for peer in OF_TEAM}
    | {("out", Peer(address="10.1.2.3"), 9000), ("out", Peer(address="fd12::1"), 9000)},
    "mcp": USUAL
    | AZURE
    | {("out", Peer("models"), 8000), ("out", Peer("default"), 8080), ("out", Peer("tracing"), 4318)},
    "pod-template": USUAL | PROXY,
    "proxy": USUAL
    | AZURE
    | PROXY
    | {("out", peer, 6379) for peer in OF_TEAM}
    | {("out", Peer(address="10.1.2.3"), 8000), ("out", Peer("tools"), 8080)},
    "proxy-variable": USUAL | AZURE | {("out", Peer(address="192.168.1.1"), 3128), ("out", Peer("proxies"), 8443)},
    "agent-to-agent": USUAL | AZURE,
    "tokens": USUAL | {("out", peer, 443) for peer in WORLD},
    "tokens-entra-id": USUAL | {("out", peer, 443) for peer in WORLD},
    # The API server.
    "tokens-kubernetes": USUAL | {("out", peer, port) for peer in (*WORLD, *PRIVATE) for port in (443, 6443)},
    "private-endpoints": USUAL | {("out", peer, port) for peer in (*WORLD, *PRIVATE) for port in (443, 6380)},
    "gateway": USUAL | {("in", Peer("gateways"), 8000)} | {("in", peer, 8000) for peer in OF_TEAM},
    "canary-gateway": USUAL | CANARY | {("in", Peer("gateways"), 8000)},
    "canary-autoscaling": AZURE | CANARY,
    "network-policy": {
        ("in", Peer("traefik"), 8000),
        ("in", Peer("istio-system"), 8000),
        ("in", CALLER, 8000),
        *(("out", Peer(address=text), port) for text in ("10.1.2.3", "10.1.2.4", "10.8.0.1") for port in (5000, 5010)),
    },
}
PEERS = {peer for cases in OPEN.values() for _, peer, _ in cases} | {
    *(STRANGER, METADATA, METADATA_6, DNS, Peer("default"), Peer(address="fe80::1"), *WORLD, *PRIVATE),
    *(Peer(address=text) for text in ("168.63.129.16", "100.100.100.200", "64:ff9b::a9fe:a9fe", "fd20:ce::254")),
    *(OTHER_CHECKS, OPERATOR, PODS),
}
PORTS = {port for cases in OPEN.values() for _, _, port in cases} | {22, 80, 8080, 1234, 5011, 6379}


def _opened(policy: dict[str, Any]) -> set[tuple[str, Peer, int]]:
    return {
        (short, peer, port)
        for short, direction in (("in", "Ingress"), ("out", "Egress"))
        for peer in PEERS
        for port in PORTS
        if allows(policy, direction, peer, port)
    }


def test_the_policy_allows_only_what_the_config_needs(case: str, by_kind: dict[str, Any]) -> None:
    if case == "network-policy-off":
        assert "NetworkPolicy" not in by_kind
        return
    assert _opened(by_kind["NetworkPolicy"]) == OPEN.get(case, USUAL) | {("in", OPERATOR, 9090)}


def test_the_policy_selects_exactly_the_pods(case: str, by_kind: dict[str, Any]) -> None:
    if case != "network-policy-off":
        pods = by_kind["Deployment"]["spec"]["template"]["metadata"]["labels"]
        # The policy of an agent with canaries also selects the pods of the canary and of its checks.
        label = "agent-operator.dev/agent" if case.startswith("canary") else "app"
        assert by_kind["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == {label: pods[label]}


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_dns_is_always_allowed(case: str, by_kind: dict[str, Any], protocol: str) -> None:
    """The DNS of the cluster and the cache of a node are allowed, other addresses are not."""
    if case == "network-policy-off":
        return
    policy = by_kind["NetworkPolicy"]
    if "CiliumNetworkPolicy" in by_kind:
        # The rules with the DNS proxy replace those of the NetworkPolicy.
        assert not allows(policy, "Egress", DNS, 53, protocol)
        (pods, blocks) = by_kind["CiliumNetworkPolicy"]["spec"]["egress"][:2]
        assert pods["toEndpoints"]
        assert blocks["toCIDR"]
        return
    assert allows(policy, "Egress", DNS, 53, protocol)
    assert allows(policy, "Egress", NODE_DNS, 53, protocol)
    assert not allows(policy, "Egress", PUBLIC, 53, protocol)
    assert not allows(policy, "Egress", METADATA, 80, protocol)
    for other in (Peer("kube-system"), STRANGER, Peer("team-b", labels=DNS.labels), Peer(address="10.1.2.3")):
        assert not allows(policy, "Egress", other, 53, protocol)


def test_the_evaluator_follows_kubernetes_semantics(rendered_seed: Rendered) -> None:
    """A rule without peers allows all peers, one without ports all ports; without a rule nothing is allowed."""
    policy = next(m for m in rendered_seed.manifests if m["kind"] == "NetworkPolicy")

    def changed(**spec: Any) -> dict[str, Any]:
        return policy | {"spec": policy["spec"] | spec}

    assert allows(changed(ingress=[{"ports": [{"port": 8000}]}]), "Ingress", STRANGER, 8000)
    assert allows(changed(ingress=[{"from": [{"namespaceSelector": {}}]}]), "Ingress", STRANGER, 1)
    assert not allows(changed(ingress=[]), "Ingress", INGRESS, 8000)
    assert not allows(changed(ingress=[{"from": [{"podSelector": {}}]}]), "Ingress", INGRESS, 8000)
    assert allows(changed(policyTypes=["Egress"]), "Ingress", STRANGER, 1)


def service(selector: dict[str, str], **ports: int | str) -> ServiceTarget:
    return ServiceTarget(tuple(selector.items()), tuple((int(port[1:]), target) for port, target in ports.items()))


VLLM = {"app": "vllm"}
MODEL, TOOL = Peer("team-a", labels=(("app", "vllm"),)), Peer("tools", labels=(("app", "search"),))
# Host of a model, the Service that the operator found, and what the policy opens.
HOSTS: dict[str, tuple[str, dict[tuple[str, str], ServiceTarget | None], set[tuple[Peer, int | str]]]] = {
    "in the same namespace": ("vllm", {("team-a", "vllm"): service(VLLM, p8000=9000)}, {(MODEL, 9000)}),
    "by a named port": ("vllm", {("team-a", "vllm"): service(VLLM, p8000="http")}, {(MODEL, "http")}),
    "without this port": ("vllm", {("team-a", "vllm"): service(VLLM, p80=9000)}, {(MODEL, 8000)}),
    "of two labels": ("search.tools", {("tools", "search"): service({"app": "search"}, p8000=8080)}, {(TOOL, 8080)}),
    "of a pod": ("s-0.search.tools.svc", {("tools", "search"): service({"app": "search"}, p8000=8080)}, {(TOOL, 8080)}),
    "complete": (
        "search.tools.svc.cluster.local",
        {("tools", "search"): service({"app": "search"}, p8000=8080)},
        {(TOOL, 8080)},
    ),
    "missing": ("vllm", {("team-a", "vllm"): None}, {(MODEL, 8000), (STRANGER, 8000)}),
    "not known": ("search.tools.svc", {}, {(TOOL, 8000), (Peer("tools"), 8000)}),
    "without a selector": (
        "search.tools.svc",
        {("tools", "search"): service({})},
        {(TOOL, 8000), (Peer("tools"), 8000)},
    ),
    "a domain": ("example.com", {("com", "example"): None}, {(PUBLIC, 8000)}),
    "a domain or a Service": ("example.com", {}, {(PUBLIC, 8000), (Peer("com"), 8000)}),
}


@pytest.mark.parametrize("kind_of_host", HOSTS)
def test_a_host_opens_exactly_the_pods_of_its_service(kind_of_host: str, cases: dict[str, Inputs]) -> None:
    host, services, expected = HOSTS[kind_of_host]
    models = ({"name": "m", "provider": "openai", "baseUrl": f"http://{host}:8000/v1"},)
    agent = cases["minimal"].agent
    raw = agent.model_dump(by_alias=True, exclude_none=True) | {"spec": {"config": {"models": models}}}
    inputs = Inputs(AgentDeployment.model_validate(raw), services=services)

    policy = next(it for it in render(inputs).manifests if it["kind"] == "NetworkPolicy")

    # The evaluator compares names of ports like numbers.
    found = {
        (peer, port)
        for peer in (MODEL, TOOL, STRANGER, PUBLIC, Peer("tools"), Peer("com"), Peer("default"))
        for rule in policy["spec"]["egress"][1:]
        for port in [it["port"] for it in rule["ports"]]
        if any(_is_peer(given, peer, "team-a") for given in rule["to"])
    }
    assert found == expected
