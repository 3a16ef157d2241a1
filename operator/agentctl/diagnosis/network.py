"""Connections of the pods: the report of check-network, and what NetworkPolicies forbid. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_operator.kube.shapes import mapping, mappings, text
from agentctl.diagnosis.evidence import Evidence, labels_of, matches, name_of, parse_time, spec_of
from agentctl.diagnosis.findings import Area, Finding, Severity, clipped

_MOST_ENDPOINTS = 64
_MOST_STEPS = 8
_EXPIRES_SOON_DAYS = 14
# Reasons for which a NetworkPolicy or a firewall may be the cause.
_BLOCKED = frozenset({"Unreachable", "DnsTimeout", "ResponseTimeout"})
_REMEDIES: Mapping[str, str] = {
    "HostUnknown": "correct the host in {field}; if it is right, check CoreDNS: `kubectl get pods -n kube-system -l "
    "k8s-app=kube-dns`",
    "DnsTimeout": "check CoreDNS: `kubectl get pods -n kube-system -l k8s-app=kube-dns`; and whether a NetworkPolicy "
    "blocks port 53",
    "ConnectionRefused": "start the server at {address}, or correct {field}",
    "Unreachable": "correct {field}, or open the way: spec.networkPolicy.extraEgress (allowPrivateNetworks for a "
    "private address), the NetworkPolicies of the server's namespace, and firewalls",
    "ResponseTimeout": "check the load of the server at {address}, and the firewalls on the way",
    "CertificateUntrusted": "put the CA of {address} into a Secret or ConfigMap and name it in spec.trustedCA (or "
    "tls.caFrom), or correct the host in {field}",
    "TlsFailed": "correct the scheme and the port in {field}",
    "CredentialsRefused": "correct the key in the Secret of spec.credentials (or apiKeyFrom of the model), then wait "
    "for the new pods",
    "NotConfigured": "set the variable that the message names, usually in the Secret of spec.credentials",
    "AddressForbidden": "correct the host in {field}",
    "ProxyRefused": "correct spec.proxy, or let the proxy connect to {address}",
    "ServerError": "check the server at {address}: its log has the cause",
    "ModelUnknown": "correct the model or the deployment in {field}",
    "QuotaExhausted": "raise the quota at the provider",
    "TokenUnavailable": "check that the pods reach Microsoft Entra ID, and the federated credential of the identity",
    "ReadOnly": "wait for the end of the failover, or correct {field} so that it names the primary",
}


def find(evidence: Evidence) -> Iterator[Finding]:
    """Yield the servers that the pods do not reach, and policies that block them."""
    yield from _of_report(evidence)
    yield from _policies(evidence)


def _of_report(evidence: Evidence) -> Iterator[Finding]:
    report = evidence.network
    if report is None:
        return
    health = mapping(report.get("health"))
    if health.get("reason"):
        yield Finding(
            Severity.ERROR,
            Area.HEALTH,
            "AgentNotAnswering",
            f"Pod {evidence.network_pod}",
            f"/health in the pod: {text(health.get('message'))}",
            "the agent process does not answer on its metrics port",
            f"`kubectl logs -n {evidence.namespace} {evidence.network_pod}`",
        )
    reached = set()
    for endpoint in list(mappings(report.get("endpoints")))[:_MOST_ENDPOINTS]:
        steps = list(mappings(endpoint.get("steps")))[:_MOST_STEPS]
        failed = next((step for step in steps if step.get("reason")), None)
        if failed is not None:
            yield _unreached(evidence, endpoint, steps, failed)
        else:
            reached.add(text(endpoint.get("component")))
        yield from _expiring(evidence, endpoint, steps)
    yield from _unhealthy(evidence, health)


def _unreached(
    evidence: Evidence, endpoint: Mapping[str, Any], steps: list[Mapping[str, Any]], failed: Mapping[str, Any]
) -> Finding:
    reason, address = text(failed.get("reason")), text(endpoint.get("address"))
    field = in_spec(text(endpoint.get("field")))
    before = [f"{text(step.get('name'))} ok ({text(step.get('detail'))})" for step in steps if not step.get("reason")]
    proxy = f" through the proxy {text(endpoint.get('proxy'))}" if endpoint.get("proxy") else ""
    trail = "; ".join([*before, f"{text(failed.get('name'))} failed: {reason}"])
    blocked = _selecting(evidence, "Egress") if reason in _BLOCKED else []
    policies = f"; NetworkPolicies with egress rules: {', '.join(blocked)}" if blocked else ""
    remedy = _REMEDIES.get(reason, "see the message, and correct {field}")
    return Finding(
        Severity.ERROR,
        Area.NETWORK,
        reason,
        component(endpoint),
        f"in pod {evidence.network_pod}, to {address}{proxy}: {trail}{policies}",
        clipped(text(failed.get("message"))) or "the server cannot be reached",
        remedy.format(field=field or "the config", address=address),
    )


def component(endpoint: Mapping[str, Any]) -> str:
    """Return how findings name a component."""
    return f"component {text(endpoint.get('component'))}"


def in_spec(field: str) -> str:
    """Return the field of the spec for a field of agent.toml. A variable stays as it is."""
    prefix, _, rest = field.partition(".")
    if prefix != "agent":
        return field
    words = rest.split("_")
    return "spec.config." + words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])


def _expiring(evidence: Evidence, endpoint: Mapping[str, Any], steps: list[Mapping[str, Any]]) -> Iterator[Finding]:
    for step in steps:
        expires = parse_time(step.get("expires"))
        if expires is not None and 0 <= (expires - evidence.now).days < _EXPIRES_SOON_DAYS:
            yield Finding(
                Severity.WARNING,
                Area.NETWORK,
                "ServerCertificateExpires",
                component(endpoint),
                f"the certificate of {text(endpoint.get('address'))} is valid until {expires:%Y-%m-%d}",
                "the pods will refuse the certificate after this day",
                "renew the certificate of that server",
            )


def _unhealthy(evidence: Evidence, health: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the components that the agent itself reports as unhealthy."""
    for entry in list(mappings(health.get("components")))[:_MOST_ENDPOINTS]:
        reason = text(entry.get("reason"))
        if entry.get("status") == "healthy" or not reason:
            continue
        remedy = _REMEDIES.get(reason, "see the message")
        yield Finding(
            Severity.ERROR,
            Area.HEALTH,
            reason,
            f"component {text(entry.get('name'))}",
            f"/health in pod {evidence.network_pod}: {text(entry.get('name'))} is {text(entry.get('status'))}",
            text(entry.get("message")),
            remedy.format(field="spec.config", address="its address"),
        )


def _selecting(evidence: Evidence, direction: str) -> list[str]:
    """Return the NetworkPolicies that select the pods and restrict a direction."""
    pods = evidence.pods()
    labels = labels_of(pods[0]) if pods else {"app": evidence.name}
    found = []
    for policy in evidence.of("networkpolicies"):
        spec = spec_of(policy)
        types = spec.get("policyTypes")
        restricts = direction in types if isinstance(types, list) else direction == "Ingress" or "egress" in spec
        if restricts and matches(spec.get("podSelector"), labels):
            found.append(name_of(policy))
    return found


def _policies(evidence: Evidence) -> Iterator[Finding]:
    """Yield policies of others that block the pods, because the agent has none of its own that opens the way."""
    if not evidence.has("networkpolicies") or evidence.named("networkpolicies", evidence.name) is not None:
        return
    for direction in ("Egress", "Ingress"):
        others = _selecting(evidence, direction)
        if not others:
            continue
        what = "connections of the pods" if direction == "Egress" else "requests to the pods"
        yield Finding(
            Severity.WARNING,
            Area.POLICY,
            f"{direction}Restricted",
            "NetworkPolicy " + ", ".join(others[:8]),
            f"{len(others)} NetworkPolicies select the pods, and the agent has none of its own",
            f"policies of others restrict {what}, and no policy of the agent opens what its config needs",
            "remove `enabled: false` from spec.networkPolicy, so that the operator opens what the config needs, or "
            "change these policies",
        )
