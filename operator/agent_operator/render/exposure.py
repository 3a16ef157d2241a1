"""How callers reach an agent: Service, Ingress, HTTPRoute, and its URL."""

from collections.abc import Iterator

from agent_operator.api import constants
from agent_operator.api.v1alpha1.exposure import IngressSpec, ServiceSpec
from agent_operator.inputs import ingress as ingress_spec
from agent_operator.inputs import sessions
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render.templates import View

DEFAULT_PORT = 80


def service_port(inputs: Inputs) -> int:
    """Return the port of the Service for HTTP requests."""
    wanted = inputs.spec.service
    return (wanted.port if wanted else None) or DEFAULT_PORT


def service(inputs: Inputs) -> View:
    """Return the view of the Service."""
    wanted = inputs.spec.service or ServiceSpec()
    return {
        "annotations": wanted.annotations or {},
        "type": wanted.type or "ClusterIP",
        "ip_family_policy": wanted.ip_family_policy or _default_family_policy(wanted),
        "ip_families": list(wanted.ip_families or ()),
        "session_affinity": sessions.affinity(inputs),
        "port": service_port(inputs),
        "metrics_port": wanted.metrics_port or constants.METRICS_PORT,
    }


def _default_family_policy(wanted: ServiceSpec) -> str | None:
    """Return the policy without one in the spec; None for the default of Kubernetes, a single family.

    A load balancer would get a second public address, to which restrictions of the first one do not apply.
    """
    return None if wanted.ip_families or wanted.type == "LoadBalancer" else "PreferDualStack"


def ingress(inputs: Inputs) -> View | None:
    """Return the view of the Ingress. Annotations of the spec take precedence over those of the operator."""
    wanted = inputs.spec.ingress
    if wanted is None:
        return None
    return {
        "annotations": _ingress_annotations(inputs, wanted) | (wanted.annotations or {}),
        "class_name": ingress_spec.class_name(wanted),
        "tls": list(_ingress_tls(inputs, wanted)),
        "rules": [_ingress_rule(inputs.name, host) for host in ingress_spec.hosts(wanted)],
    }


def _ingress_rule(service_name: str, host: ingress_spec.Host) -> View:
    backend = {"service": {"name": service_name, "port": {"name": "http"}}}
    paths = [{"path": it.path, "pathType": it.path_type or "Prefix", "backend": backend} for it in host.paths.values()]
    return {"host": host.name, "http": {"paths": paths}}


def _ingress_tls(inputs: Inputs, wanted: IngressSpec) -> Iterator[View]:
    """Yield the hosts of each certificate."""
    if wanted.tls is None:
        return
    default = wanted.tls.secret_name or constants.tls_secret(inputs.name)
    by_secret: dict[str, list[str]] = {}
    for host in ingress_spec.hosts(wanted):
        by_secret.setdefault(host.tls_secret or default, []).append(host.name)
    yield from ({"hosts": hosts, "secretName": secret} for secret, hosts in by_secret.items())


def _ingress_annotations(inputs: Inputs, wanted: IngressSpec) -> dict[str, str]:
    limits = inputs.spec.config.limits
    limit = str(limits.max_body_bytes) if limits and limits.max_body_bytes else "10m"
    annotations = {
        "nginx.ingress.kubernetes.io/proxy-body-size": wanted.max_body_size or limit,
        "nginx.ingress.kubernetes.io/proxy-read-timeout": str(wanted.read_timeout_seconds or 300),
    }
    if wanted.tls:
        annotations["nginx.ingress.kubernetes.io/ssl-redirect"] = "true"
    if wanted.tls and wanted.tls.cluster_issuer:
        annotations["cert-manager.io/cluster-issuer"] = wanted.tls.cluster_issuer
    return annotations


def http_route(inputs: Inputs) -> View | None:
    """Return the view of the HTTPRoute."""
    wanted = inputs.spec.gateway
    if wanted is None:
        return None
    return {
        "parents": [parent.model_dump(by_alias=True, exclude_none=True) for parent in wanted.parent_refs],
        "hostnames": list(dict.fromkeys(wanted.hostnames or ())),
        "port": service_port(inputs),
    }


def url(inputs: Inputs) -> str:
    """Return the URL of the agent: of the Ingress, of the first host name of the Gateway, or of the Service."""
    entry, gateway = inputs.spec.ingress, inputs.spec.gateway
    if entry and (found := ingress_spec.first_url(entry)):
        return found
    named = [host for host in (gateway.hostnames if gateway else None) or () if not host.startswith("*")]
    if named:
        # Whether the listener uses TLS is not in the spec. A Gateway with TLS redirects.
        return f"http://{named[0]}/"
    port = service_port(inputs)
    return f"http://{inputs.name}.{inputs.namespace}.svc" + ("" if port == DEFAULT_PORT else f":{port}") + "/"
