"""Who reaches an agent, and whom it reaches."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from agent_operator.api import bounds
from agent_operator.api.base import (
    SUBDOMAIN_PATTERN,
    AnnotationValue,
    ApiModel,
    DnsLabel,
    DnsSubdomain,
    Hostname,
    Port,
    list_atomic,
    list_map,
    list_set,
)
from agent_operator.api.kubernetes_models import V1NetworkPolicyEgressRule, V1NetworkPolicyIngressRule

PathType = Literal["Prefix", "Exact", "ImplementationSpecific"]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[^\s]*$", max_length=1024)]
# An empty name selects the default class of the cluster.
IngressClassName = Annotated[
    str, StringConstraints(pattern=rf"^$|{SUBDOMAIN_PATTERN}", max_length=bounds.DNS_SUBDOMAIN)
]
IpFamily = Literal["IPv4", "IPv6"]


class ServiceSpec(ApiModel):
    """Service of the agent."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = Field(
        None, description="Type of the Service: ClusterIP, NodePort or LoadBalancer. Default: ClusterIP."
    )
    port: Port | None = Field(None, description="Service port for HTTP requests. Default: 80.")
    metrics_port: Port | None = Field(None, description="Service port for Prometheus metrics. Default: 9090.")
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = Field(
        None,
        description="SingleStack, PreferDualStack or RequireDualStack. The pods listen on IPv4 and IPv6. Default: "
        "PreferDualStack, or SingleStack with ipFamilies or type LoadBalancer.",
    )
    ip_families: tuple[IpFamily, ...] | None = Field(
        None,
        min_length=1,
        max_length=2,
        description="IPv4, IPv6 or both; the first is that of the cluster IP. Default: the first family of the "
        "cluster.",
        json_schema_extra=list_atomic(),
    )
    session_affinity: Literal["ClientIP", "None"] | None = Field(
        None,
        description="ClientIP: the Service sends all requests of a client address to the same pod. None: to any pod. "
        "Default: ClientIP if several pods keep conversations in their memory, without config.memory.cache and without "
        "a canary; None otherwise.",
    )
    annotations: dict[str, AnnotationValue] | None = Field(
        None, max_length=64, description="Annotations of the Service. Default: none."
    )


class IngressTls(ApiModel):
    """TLS of an Ingress."""

    secret_name: DnsSubdomain | None = Field(
        None,
        description="Name of the Secret with the certificate. Default: the name of the agent with the suffix -tls.",
    )
    cluster_issuer: DnsSubdomain | None = Field(
        None,
        description="Name of the cert-manager ClusterIssuer that issues the certificate. Default: none; you provide "
        "the Secret.",
    )


class IngressPath(ApiModel):
    """Path of a host."""

    path: UrlPath = Field(description="Path of requests to the agent.")
    path_type: PathType | None = Field(None, description="Prefix, Exact or ImplementationSpecific. Default: Prefix.")


class IngressHost(ApiModel):
    """Host of an Ingress."""

    host: Hostname = Field(description="Host name, in lower case, or a wildcard such as *.example.com.")
    paths: tuple[IngressPath, ...] | None = Field(
        None,
        min_length=1,
        max_length=32,
        description="Paths of the host. Default: path and pathType of the Ingress.",
        json_schema_extra=list_atomic(),
    )
    tls_secret_name: DnsSubdomain | None = Field(
        None,
        description="Name of the Secret with the certificate of this host. Requires tls. Default: tls.secretName.",
    )


class IngressSpec(ApiModel):
    """Ingress of the agent. Set host, hosts, or both."""

    host: Hostname | None = Field(
        None, description="Host name of the agent, in lower case, or a wildcard such as *.example.com. Default: none."
    )
    hosts: tuple[IngressHost, ...] | None = Field(
        None,
        min_length=1,
        max_length=32,
        description="Further hosts, each with paths of its own. Default: none.",
        json_schema_extra=list_map("host"),
    )
    class_name: IngressClassName | None = Field(
        None,
        description='Name of the IngressClass; "" for the default class of the cluster. Default: nginx, or none if '
        "annotations contain kubernetes.io/ingress.class.",
    )
    path: UrlPath | None = Field(None, description="Path of requests to the agent. Default: /.")
    path_type: PathType | None = Field(
        None,
        description="Prefix: also longer paths. Exact: only this path. ImplementationSpecific: as the controller "
        "interprets it, such as a regular expression. Default: Prefix.",
    )
    tls: IngressTls | None = Field(None, description="TLS configuration. Default: none; plain HTTP only.")
    max_body_size: str | None = Field(
        None,
        pattern=r"^[0-9]+[kKmMgG]?$",
        max_length=16,
        description="Maximum size of a body, in the units of nginx. Default: config.limits.maxBodyBytes, or 10m.",
    )
    read_timeout_seconds: int | None = Field(
        None, ge=1, le=86400, description="Seconds that the proxy waits between two reads from the agent. Default: 300."
    )
    annotations: dict[str, AnnotationValue] | None = Field(
        None, max_length=64, description="Additional annotations, which override those of the operator. Default: none."
    )


class ParentRef(ApiModel):
    """Reference to a Gateway."""

    name: DnsSubdomain = Field(description="Name of the Gateway.")
    namespace: DnsLabel | None = Field(
        None, description="Namespace of the Gateway. Default: the namespace of the children."
    )
    section_name: DnsSubdomain | None = Field(
        None, description="Name of the listener of the Gateway. Default: every listener that allows the route."
    )


class GatewaySpec(ApiModel):
    """HTTPRoute of the Gateway API."""

    parent_refs: tuple[ParentRef, ...] = Field(
        min_length=1, max_length=16, description="Gateways that the route attaches to.", json_schema_extra=list_atomic()
    )
    hostnames: tuple[Hostname, ...] | None = Field(
        None,
        max_length=16,
        description="Host names of the route, or wildcards such as *.example.com. Default: those of the Gateway.",
        json_schema_extra=list_set(),
    )


class NetworkPolicySpec(ApiModel):
    """NetworkPolicy of the pods. The operator derives its rules from the config."""

    enabled: bool | None = Field(None, description="Create a NetworkPolicy. Default: true.")
    # Atomic, because an empty list differs from a missing one: server-side apply does not record who owns an empty set,
    # and would keep it when the manifest no longer has the field.
    ingress_namespaces: tuple[DnsLabel, ...] | None = Field(
        None,
        max_length=64,
        description="Namespaces whose pods may connect to the HTTP port. Default: ingress-nginx and the agent's own "
        "namespace; with a list, only those in it.",
        json_schema_extra=list_atomic(),
    )
    monitoring_namespaces: tuple[DnsLabel, ...] | None = Field(
        None,
        max_length=64,
        description="Namespaces whose pods may connect to the metrics port. Default: [monitoring].",
        json_schema_extra=list_atomic(),
    )
    allow_private_networks: bool | None = Field(
        None,
        description="Allow private addresses for hosts outside of the cluster, as those of private endpoints. The "
        "addresses of metadata services stay excluded. Default: false; the hosts must have public addresses.",
    )
    extra_ingress: tuple[V1NetworkPolicyIngressRule, ...] | None = Field(
        None,
        max_length=64,
        description="Additional ingress rules, copied verbatim. Default: none.",
        json_schema_extra=list_atomic(),
    )
    extra_egress: tuple[V1NetworkPolicyEgressRule, ...] | None = Field(
        None,
        max_length=64,
        description="Additional egress rules, copied verbatim. Default: none.",
        json_schema_extra=list_atomic(),
    )
