"""Who reaches an agent, whom it reaches, and who watches it."""

from typing import Literal

from pydantic import Field

from agent_operator.api.base import (
    AnnotationValue,
    ApiModel,
    DnsLabel,
    DnsSubdomain,
    Duration,
    Hostname,
    LabelValue,
    Port,
    list_atomic,
    list_set,
)
from agent_operator.api.kubernetes_models import V1NetworkPolicyEgressRule, V1NetworkPolicyIngressRule


class ServiceSpec(ApiModel):
    """Service of the agent."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = Field(
        None, description="Type of the Service: ClusterIP, NodePort or LoadBalancer. Default: ClusterIP."
    )
    port: Port | None = Field(None, description="Service port for HTTP requests. Default: 80.")
    metrics_port: Port | None = Field(None, description="Service port for Prometheus metrics. Default: 9090.")
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


class IngressSpec(ApiModel):
    """Ingress of the agent."""

    host: Hostname = Field(description="Host name of the agent, in lower case.")
    class_name: DnsSubdomain | None = Field(None, description="Name of the IngressClass. Default: nginx.")
    path: str | None = Field(None, pattern=r"^/[^\s]*$", max_length=1024, description="Path prefix. Default: /.")
    tls: IngressTls | None = Field(None, description="TLS configuration. Default: none; plain HTTP only.")
    max_body_size: str | None = Field(
        None,
        pattern=r"^[0-9]+[kKmMgG]?$",
        max_length=16,
        description="Maximum size of a request body, in the units of nginx. Default: 10m.",
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
        description="Host names of the route. Default: those of the Gateway.",
        json_schema_extra=list_set(),
    )


class NetworkPolicySpec(ApiModel):
    """NetworkPolicy of the pods. The operator derives its rules from the config."""

    enabled: bool | None = Field(None, description="Create a NetworkPolicy. Default: true.")
    ingress_namespaces: tuple[DnsLabel, ...] | None = Field(
        None,
        max_length=64,
        description="Namespaces whose pods may connect to the HTTP port. Default: [ingress-nginx].",
        json_schema_extra=list_set(),
    )
    monitoring_namespaces: tuple[DnsLabel, ...] | None = Field(
        None,
        max_length=64,
        description="Namespaces whose pods may connect to the metrics port. Default: [monitoring].",
        json_schema_extra=list_set(),
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


class ServiceMonitorSpec(ApiModel):
    """ServiceMonitor of the Prometheus Operator."""

    enabled: bool | None = Field(None, description="Create a ServiceMonitor. Default: true.")
    interval: Duration | None = Field(None, description="Interval between two scrapes, at least 15s. Default: 30s.")
    labels: dict[str, LabelValue] | None = Field(
        None,
        max_length=64,
        description="Labels by which your Prometheus selects the ServiceMonitor. Default: release: prometheus.",
    )


class Monitoring(ApiModel):
    """Monitoring of the agent."""

    service_monitor: ServiceMonitorSpec | None = Field(
        None, description="ServiceMonitor of the agent. Default: created."
    )
