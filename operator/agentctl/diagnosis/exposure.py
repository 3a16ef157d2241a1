"""How callers reach the agent: Service, Ingress and certificate. Pure."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from agent_operator.api import constants
from agent_operator.kube.shapes import mapping, mappings, text
from agentctl.diagnosis.evidence import (
    Evidence,
    annotations_of,
    conditions_of,
    labels_of,
    matches,
    name_of,
    parse_time,
    spec_of,
    status_of,
)
from agentctl.diagnosis.findings import Area, Finding, Severity

_EXPIRES_SOON = timedelta(days=14)
# A controller usually writes the address within this time.
_ADDRESS = timedelta(minutes=3)
_MOST = 64


def find(evidence: Evidence) -> Iterator[Finding]:
    """Yield what keeps requests from the agent."""
    yield from _service(evidence)
    for ingress in evidence.of("ingresses"):
        if name_of(ingress) == evidence.name:
            yield from _ingress(evidence, ingress)
    yield from _certificates(evidence)


def _finding(severity: Severity, reason: str, subject: str, evidence: str, cause: str, remedy: str) -> Finding:
    return Finding(severity, Area.EXPOSURE, reason, subject, evidence, cause, remedy)


def _service(evidence: Evidence) -> Iterator[Finding]:
    service = evidence.named("services", evidence.name)
    if service is None:
        if evidence.has("services") and evidence.deployments():
            what = f"the API server does not find it in the namespace {evidence.namespace}"
            remedy = f"the operator creates it: see `agentctl status {evidence.name}`"
            cause = "callers have no address of the agent"
            yield _finding(Severity.ERROR, "ServiceMissing", f"Service {evidence.name}", what, cause, remedy)
        return
    selector = {"matchLabels": mapping(spec_of(service).get("selector"))}
    pods = evidence.pods()
    if pods and not any(matches(selector, labels_of(pod)) for pod in pods):
        yield _finding(
            Severity.ERROR,
            "ServiceSelectsNothing",
            f"Service {evidence.name}",
            f"selector {dict(selector['matchLabels'])}",
            "the Service selects none of the pods, so that requests reach none",
            "remove the labels that spec.podTemplate overrides; the operator sets the selector",
        )
    elif pods and evidence.has("endpointslices") and not _ready_endpoints(evidence):
        yield _finding(
            Severity.ERROR,
            "NoReadyEndpoints",
            f"Service {evidence.name}",
            f"0 ready endpoints for {len(pods)} pods",
            "no pod is ready, so that requests to the Service fail; other findings have the cause",
            f"see `kubectl get endpointslices,pods -n {evidence.namespace}`",
        )


def _ready_endpoints(evidence: Evidence) -> int:
    slices = [it for it in evidence.of("endpointslices") if labels_of(it).get("kubernetes.io/service-name")]
    own = [it for it in slices if labels_of(it)["kubernetes.io/service-name"] == evidence.name]
    endpoints = (endpoint for it in own for endpoint in mappings(it.get("endpoints")))
    return sum(mapping(endpoint.get("conditions")).get("ready") is not False for endpoint in endpoints)


def _ingress(evidence: Evidence, ingress: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _ingress_class(evidence, ingress)
    yield from _address(evidence, ingress)
    for backend in _backends(ingress):
        service = evidence.named("services", backend)
        if evidence.has("services") and service is None:
            yield _finding(
                Severity.ERROR,
                "BackendMissing",
                f"Ingress {name_of(ingress)}",
                f"backend Service {backend} does not exist",
                "the controller answers 503",
                "the operator creates the Service of the agent; correct what else changes the Ingress",
            )
    for entry in list(mappings(spec_of(ingress).get("tls")))[:_MOST]:
        yield from _tls(evidence, ingress, entry)


def _ingress_class(evidence: Evidence, ingress: Mapping[str, Any]) -> Iterator[Finding]:
    annotated = text(annotations_of(ingress).get(constants.ANNOTATION_INGRESS_CLASS))
    wanted = text(spec_of(ingress).get("ingressClassName")) or annotated
    if not evidence.has("ingressclasses"):
        return
    classes = [name_of(it) for it in evidence.of("ingressclasses")]
    if wanted and wanted not in classes:
        yield _finding(
            Severity.ERROR,
            "IngressClassMissing",
            f"Ingress {name_of(ingress)}",
            f"class {wanted}; the cluster has: {', '.join(classes[:16]) or 'none'}",
            f"no controller serves the Ingress, because the IngressClass {wanted} does not exist",
            "correct spec.ingress.className, or install the controller",
        )
    default = "ingressclass.kubernetes.io/is-default-class"
    if not wanted and not any(annotations_of(it).get(default) == "true" for it in evidence.of("ingressclasses")):
        yield _finding(
            Severity.ERROR,
            "IngressClassMissing",
            f"Ingress {name_of(ingress)}",
            "the Ingress names no class, and no IngressClass is the default",
            "no controller serves the Ingress",
            "set spec.ingress.className to one of `kubectl get ingressclass`",
        )


def _address(evidence: Evidence, ingress: Mapping[str, Any]) -> Iterator[Finding]:
    created = parse_time(mapping(ingress.get("metadata")).get("creationTimestamp"))
    addresses = list(mappings(mapping(status_of(ingress).get("loadBalancer")).get("ingress")))
    if addresses or created is None or evidence.now - created < _ADDRESS:
        return
    yield _finding(
        Severity.WARNING,
        "IngressWithoutAddress",
        f"Ingress {name_of(ingress)}",
        "status.loadBalancer is empty",
        "no ingress controller has accepted the Ingress",
        f"check that the controller runs and serves the class; see `kubectl describe ingress -n {evidence.namespace} "
        f"{name_of(ingress)}`",
    )


def _backends(ingress: Mapping[str, Any]) -> set[str]:
    paths = [
        path
        for rule in list(mappings(spec_of(ingress).get("rules")))[:_MOST]
        for path in list(mappings(mapping(rule.get("http")).get("paths")))[:_MOST]
    ]
    services = (mapping(mapping(path.get("backend")).get("service")) for path in paths)
    return {text(service.get("name")) for service in services if text(service.get("name"))}


def _tls(evidence: Evidence, ingress: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[Finding]:
    name = text(entry.get("secretName"))
    if name not in evidence.secrets:
        return
    facts, where = evidence.secrets[name], f"Secret {name}"
    issuers = [key for key in annotations_of(ingress) if key.startswith("cert-manager.io/")]
    if facts is None:
        how = "cert-manager has not issued the certificate" if issuers else "nothing creates the certificate"
        yield _finding(
            Severity.ERROR,
            "CertificateMissing",
            where,
            f"Ingress {name_of(ingress)} uses the Secret for TLS; it does not exist",
            f"{how}, so that callers get the certificate of the controller or none",
            f"see `kubectl describe certificate,certificaterequest,order,challenge -n {evidence.namespace}`"
            if issuers
            else f"`kubectl create secret tls -n {evidence.namespace} {name} --cert=FILE --key=FILE`, or set "
            "spec.ingress.tls.clusterIssuer",
        )
    elif not {"tls.crt", "tls.key"} <= set(facts.faults) or facts.certificate is None:
        yield _finding(
            Severity.ERROR,
            "CertificateInvalid",
            where,
            f"type {facts.kind}, keys: {', '.join(sorted(facts.faults)[:16]) or 'none'}",
            "the Secret has no readable certificate in tls.crt with a key in tls.key",
            f"create it again: `kubectl create secret tls -n {evidence.namespace} {name} --cert=FILE --key=FILE`",
        )
    else:
        yield from _validity(evidence, where, facts.certificate.expires)
        hosts = entry.get("hosts")
        for host in hosts[:_MOST] if isinstance(hosts, list) else []:
            if not any(_covers(pattern, text(host)) for pattern in facts.certificate.names):
                yield _finding(
                    Severity.ERROR,
                    "CertificateHostMismatch",
                    where,
                    f"host {text(host)}; the certificate is for: {', '.join(facts.certificate.names[:8]) or 'no name'}",
                    "callers refuse the certificate, because it has another name",
                    "issue a certificate for the host, or correct spec.ingress.host",
                )


def _validity(evidence: Evidence, where: str, expires: Any) -> Iterator[Finding]:
    left = expires - evidence.now
    if left < timedelta():
        what = f"valid until {expires:%Y-%m-%dT%H:%M:%SZ}"
        cause = "the certificate has expired, so that callers refuse it"
        yield _finding(Severity.ERROR, "CertificateExpired", where, what, cause, "renew the certificate")
    elif left < _EXPIRES_SOON:
        what = f"valid until {expires:%Y-%m-%dT%H:%M:%SZ}, {left.days} days"
        cause = "callers will refuse the certificate after this time"
        remedy = "renew the certificate; with cert-manager, see the events of the Certificate"
        yield _finding(Severity.WARNING, "CertificateExpires", where, what, cause, remedy)


def _covers(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:] or host == pattern
    return host == pattern


def _certificates(evidence: Evidence) -> Iterator[Finding]:
    """Yield what cert-manager says of the certificates of the agent."""
    ingress = evidence.named("ingresses", evidence.name) or {}
    names = {text(entry.get("secretName")) for entry in mappings(spec_of(ingress).get("tls"))}
    for certificate in evidence.of("certificates"):
        if text(spec_of(certificate).get("secretName")) not in names:
            continue
        for condition in conditions_of(certificate):
            if condition["type"] == "Ready" and condition["status"] == "False":
                yield _finding(
                    Severity.ERROR,
                    "CertificateNotIssued",
                    f"Certificate {name_of(certificate)}",
                    f"condition Ready=False, reason {text(condition.get('reason'))}",
                    text(condition.get("message")) or "cert-manager has not issued the certificate",
                    f"see `kubectl describe certificate,certificaterequest,order,challenge -n {evidence.namespace}`",
                )
