"""spec.networkPolicy from the NetworkPolicies of the pods."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from agent_operator.api.constants import HTTP_PORT, METRICS_PORT
from agent_runtime.config import addresses
from agentctl.conversion.exposure import main_service, port_numbers
from agentctl.conversion.findings import Finding, changed
from agentctl.conversion.manifests import Manifest
from agentctl.conversion.parts import Part
from agentctl.conversion.workload import Workload, selects
from agentctl.objects import Object

_NAMESPACE_LABELS = ("kubernetes.io/metadata.name", "name")
_DNS = 53
_BY_NAME = (
    "Kubernetes sets the label kubernetes.io/metadata.name of a namespace, but not this one, so the operator selects "
    "by the name: if the namespace has another name, correct spec.networkPolicy"
)

_SCRAPED = (
    "the policy blocks Prometheus although there is a ServiceMonitor, so the operator opens the metrics port to the "
    "namespace monitoring: see spec.networkPolicy.monitoringNamespaces"
)


def network_policy(workload: Workload) -> Part:
    """Return networkPolicy. Without a policy of its own, the agent gets none, so that all connections still work."""
    found = [item for item in workload.of_kind("NetworkPolicy") if _is_own(item, workload)]
    if not found:
        return Part({"networkPolicy": {"enabled": False}})
    callers: dict[str, dict[str, None]] = {"http": {}, "metrics": {}}
    findings: list[Finding] = []
    spec: Object = {}
    extra_in = [
        rule
        for policy in found
        for number, rule in enumerate(policy.spec.get("ingress") or ())
        if not _namespaces(workload, policy, number, rule, callers, findings)
    ]
    if not any("Ingress" in _types(policy) for policy in found):
        extra_in = [{}]
    extra_out, more = _egress(found)
    spec = {"ingressNamespaces": list(callers["http"])}
    if callers["metrics"] or not _is_scraped(workload):
        spec["monitoringNamespaces"] = list(callers["metrics"])
    else:
        findings.append(changed(found[0], "spec.ingress", _SCRAPED))
    spec |= ({"extraIngress": extra_in} if extra_in else {}) | ({"extraEgress": extra_out} if extra_out else {})
    return Part({"networkPolicy": spec}, (*findings, *more), tuple(found))


def _is_own(policy: Manifest, workload: Workload) -> bool:
    """Report whether a policy selects the pods of this Deployment, and not all pods of the namespace."""
    selector = policy.spec.get("podSelector")
    return bool(selector) and selects(selector, workload.labels)


def _types(policy: Manifest) -> list[str]:
    given: list[str] | None = policy.spec.get("policyTypes")
    return given or ["Ingress", *(["Egress"] if policy.spec.get("egress") else [])]


def _is_scraped(workload: Workload) -> bool:
    main = main_service(workload)
    return main is not None and bool(workload.selecting("ServiceMonitor", main.labels))


def _namespaces(
    workload: Workload,
    policy: Manifest,
    number: int,
    rule: Object,
    callers: dict[str, dict[str, None]],
    findings: list[Finding],
) -> bool:
    """Add the namespaces of an ingress rule; return False if only a verbatim rule can express it."""
    purpose = _purpose(workload, rule.get("ports"))
    names = [_namespace(peer) for peer in rule.get("from") or ()]
    if purpose is None or not names or None in names:
        return False
    for index, name in enumerate(names):
        if name is not None:
            callers[purpose][name[0]] = None
            if name[1] != _NAMESPACE_LABELS[0]:
                findings.append(changed(policy, f"spec.ingress[{number}].from[{index}].namespaceSelector", _BY_NAME))
    return True


def _namespace(peer: Object) -> tuple[str, str] | None:
    """Return the namespace that a peer names, and by which label; None for another peer."""
    labels = (peer.get("namespaceSelector") or {}).get("matchLabels") or {}
    if set(peer) != {"namespaceSelector"} or set(peer["namespaceSelector"]) != {"matchLabels"} or len(labels) != 1:
        return None
    label, name = next(iter(labels.items()))
    return (name, label) if label in _NAMESPACE_LABELS else None


def _purpose(workload: Workload, ports: Iterable[Object] | None) -> str | None:
    """Return http or metrics if the ports of a rule are exactly that port."""
    numbers = [port.get("port") for port in ports or () if not set(port) - {"port", "protocol"}]
    if len(numbers) != 1 or len(list(ports or ())) != 1:
        return None
    named = {
        "http": (HTTP_PORT, *port_numbers(workload, "http")),
        "metrics": (METRICS_PORT, *port_numbers(workload, "metrics")),
    }
    return next((purpose for purpose, known in named.items() if numbers[0] in known), None)


def _egress(policies: list[Manifest]) -> tuple[list[Object], tuple[Finding, ...]]:
    """Return the rules that the operator does not derive by itself."""
    if not any("Egress" in _types(policy) for policy in policies):
        return [{}], ()
    extra, findings = [], []
    for policy in policies:
        for number, rule in enumerate(policy.spec.get("egress") or ()):
            if not _is_dns(rule):
                extra.append(rule)
            elif rule.get("ports") != [{"port": _DNS, "protocol": "UDP"}, {"port": _DNS, "protocol": "TCP"}]:
                reason = "the operator allows DNS by UDP and TCP: long answers need TCP"
                findings.append(changed(policy, f"spec.egress[{number}]", reason))
    return extra, tuple(findings)


def _is_dns(rule: Object) -> bool:
    """Report whether a rule allows DNS to pods, and nothing else."""
    ports = rule.get("ports") or []
    to_pods = all("ipBlock" not in peer for peer in rule.get("to") or ())
    return bool(ports) and all(port.get("port") == _DNS for port in ports) and to_pods


def is_covered(rule: Object, rendered: Sequence[Object]) -> bool:
    """Report whether the rules of the operator allow what a rule allows, except for metadata services."""
    if rule in rendered:
        return True
    peers, ports = rule.get("to") or [], rule.get("ports") or []
    if not peers or not ports:
        return False
    return all(any(_allows(other, peer, port) for other in rendered) for peer in peers for port in ports)


def _allows(rule: Object, peer: Object, port: Object) -> bool:
    same_port = any(_number(item) == _number(port) for item in rule.get("ports") or ())
    return same_port and any(_contains(item, peer) for item in rule.get("to") or ())


def _number(port: Object) -> tuple[Any, ...]:
    return (port.get("port"), port.get("protocol", "TCP"), port.get("endPort"))


def _contains(peer: Object, other: Object) -> bool:
    """Report whether a peer contains another. A range may except the addresses of metadata services in addition."""
    if peer == other:
        return True
    container, contained = peer.get("ipBlock") or {}, other.get("ipBlock") or {}
    excepted = {*container.get("except", ())} - {*contained.get("except", ()), *_always_excepted()}
    return bool(contained) and container.get("cidr") == contained.get("cidr") and not excepted


def _always_excepted() -> Iterator[str]:
    for _, networks in addresses.outside(private=True):
        yield from map(str, networks)
