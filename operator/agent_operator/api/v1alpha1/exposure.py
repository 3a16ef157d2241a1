"""Who reaches an agent, whom it reaches, and who watches it."""

from typing import Literal

from pydantic import Field

from agent_operator.api.base import (
    ApiModel,
    DnsLabel,
    DnsSubdomain,
    Duration,
    Hostname,
    Port,
    list_atomic,
    list_set,
)
from agent_operator.api.kubernetes_models import V1NetworkPolicyEgressRule, V1NetworkPolicyIngressRule


class ServiceSpec(ApiModel):
    """The Service in front of the pods."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = Field(None, description="Type. Default: ClusterIP.")
    port: Port | None = Field(None, description="Port that serves the agent over HTTP. Default: 80.")
    metrics_port: Port | None = Field(None, description="Port that serves Prometheus metrics. Default: 9090.")
    annotations: dict[str, str] | None = Field(None, max_length=64, description="Annotations. Default: none.")


class IngressTls(ApiModel):
    """The certificate of an Ingress."""

    secret_name: DnsSubdomain | None = Field(
        None, description="Secret that holds the certificate. Default: the agent's name followed by -tls."
    )
    cluster_issuer: DnsSubdomain | None = Field(
        None, description="cert-manager ClusterIssuer that fills the Secret. Default: none; the Secret is yours."
    )


class IngressSpec(ApiModel):
    """A way in from outside."""

    host: Hostname = Field(description="DNS name that the agent answers at, in lower case.")
    class_name: DnsSubdomain | None = Field(None, description="IngressClass. Default: nginx.")
    path: str | None = Field(None, pattern=r"^/[^\s]*$", max_length=1024, description="Path prefix. Default: /.")
    tls: IngressTls | None = Field(None, description="Serve over TLS. Default: plain HTTP only.")
    max_body_size: str | None = Field(
        None,
        pattern=r"^[0-9]+[kKmMgG]?$",
        max_length=16,
        description="Largest request body, in nginx's units. Default: 10m.",
    )
    read_timeout_seconds: int | None = Field(
        None, ge=1, le=86400, description="Seconds the proxy waits for the agent's next bytes. Default: 300."
    )
    annotations: dict[str, str] | None = Field(
        None, max_length=64, description="Further annotations; they win over the operator's. Default: none."
    )


class ParentRef(ApiModel):
    """A Gateway to attach to."""

    name: DnsSubdomain = Field(description="Name of the Gateway.")
    namespace: DnsLabel | None = Field(None, description="Namespace of the Gateway. Default: that of the children.")
    section_name: DnsSubdomain | None = Field(None, description="Listener of the Gateway. Default: all that allow it.")


class GatewaySpec(ApiModel):
    """A way in through the Gateway API: becomes an HTTPRoute."""

    parent_refs: tuple[ParentRef, ...] = Field(
        min_length=1, max_length=16, description="Gateways to attach to.", json_schema_extra=list_atomic()
    )
    hostnames: tuple[Hostname, ...] | None = Field(
        None,
        max_length=16,
        description="Host names to answer at. Default: those of the Gateway.",
        json_schema_extra=list_set(),
    )


class NetworkPolicySpec(ApiModel):
    """What the pods may reach and be reached by; derived from the config."""

    enabled: bool | None = Field(None, description="Make a NetworkPolicy. Default: true.")
    ingress_namespaces: tuple[DnsLabel, ...] | None = Field(
        None,
        max_length=64,
        description="Namespaces whose pods may call the http port. Default: [ingress-nginx].",
        json_schema_extra=list_set(),
    )
    monitoring_namespaces: tuple[DnsLabel, ...] | None = Field(
        None,
        max_length=64,
        description="Namespaces whose pods may scrape the metrics port. Default: [monitoring].",
        json_schema_extra=list_set(),
    )
    extra_ingress: tuple[V1NetworkPolicyIngressRule, ...] | None = Field(
        None,
        max_length=64,
        description="Further ingress rules, as they are. Default: none.",
        json_schema_extra=list_atomic(),
    )
    extra_egress: tuple[V1NetworkPolicyEgressRule, ...] | None = Field(
        None,
        max_length=64,
        description="Further egress rules, as they are. Default: none.",
        json_schema_extra=list_atomic(),
    )


class ServiceMonitorSpec(ApiModel):
    """How Prometheus finds the agent."""

    enabled: bool | None = Field(None, description="Make a ServiceMonitor. Default: true.")
    interval: Duration | None = Field(None, description="Time between two scrapes. Default: 30s.")
    labels: dict[str, str] | None = Field(
        None, max_length=64, description="Labels that your Prometheus selects by. Default: release: prometheus."
    )


class Monitoring(ApiModel):
    """What watches the agent."""

    service_monitor: ServiceMonitorSpec | None = Field(None, description="ServiceMonitor. Default: made.")
