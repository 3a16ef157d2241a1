"""Models of the rendered kinds without unknown fields, so that a typo in a template is an error."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from kubernetes import client
from kubernetes.client import V1ObjectMeta
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Closed(BaseModel):
    """camelCase in the manifest, nothing that is not named here."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class Named(Closed):
    """A reference by name."""

    name: str


class AzureKv(Closed):
    """An Azure Key Vault."""

    auth_type: Literal["WorkloadIdentity", "ManagedIdentity"]
    vault_url: str
    service_account_ref: Named | None = None


class StoreProvider(Closed):
    """Where a store reads."""

    azurekv: AzureKv


class SecretStoreSpec(Closed):
    """A store."""

    provider: StoreProvider


class SecretStore(Closed):
    """external-secrets.io SecretStore."""

    api_version: Literal["external-secrets.io/v1", "external-secrets.io/v1beta1"]
    kind: Literal["SecretStore"]
    metadata: V1ObjectMeta
    spec: SecretStoreSpec


class StoreRef(Named):
    """The store to read through."""

    kind: Literal["SecretStore", "ClusterSecretStore"]


class Target(Named):
    """The Secret to make."""

    creation_policy: Literal["Owner"]


class RemoteRef(Closed):
    """A secret in the vault."""

    key: str


class SecretData(Closed):
    """One key of the Secret."""

    secret_key: str
    remote_ref: RemoteRef


class ExternalSecretSpec(Closed):
    """What to read and where to put it."""

    refresh_interval: str
    secret_store_ref: StoreRef
    target: Target
    data: list[SecretData]


class ExternalSecret(Closed):
    """external-secrets.io ExternalSecret."""

    api_version: Literal["external-secrets.io/v1", "external-secrets.io/v1beta1"]
    kind: Literal["ExternalSecret"]
    metadata: V1ObjectMeta
    spec: ExternalSecretSpec


class ParentReference(Named):
    """A Gateway."""

    namespace: str | None = None
    section_name: str | None = None


class BackendRef(Named):
    """A Service."""

    port: int


class RouteRule(Closed):
    """Everything to one Service."""

    backend_refs: list[BackendRef]


class HttpRouteSpec(Closed):
    """Which Gateway sends what where."""

    parent_refs: list[ParentReference]
    hostnames: list[str] | None = None
    rules: list[RouteRule]


class HttpRoute(Closed):
    """gateway.networking.k8s.io HTTPRoute."""

    api_version: Literal["gateway.networking.k8s.io/v1"]
    kind: Literal["HTTPRoute"]
    metadata: V1ObjectMeta
    spec: HttpRouteSpec


class Relabeling(Closed):
    """A label of a target that gets a fixed value."""

    target_label: str
    replacement: str


class Scrape(Closed):
    """A port to scrape."""

    port: str
    interval: str
    path: str
    relabelings: list[Relabeling]


class Selector(Closed):
    """Labels to select by."""

    match_labels: dict[str, str]


class ServiceMonitorSpec(Closed):
    """What to scrape."""

    selector: Selector
    endpoints: list[Scrape]


class ServiceMonitor(Closed):
    """monitoring.coreos.com ServiceMonitor."""

    api_version: Literal["monitoring.coreos.com/v1"]
    kind: Literal["ServiceMonitor"]
    metadata: V1ObjectMeta
    spec: ServiceMonitorSpec


class AlertingRule(Closed):
    """An alert."""

    alert: str
    expr: str
    lasting: str = Field(alias="for")
    labels: dict[str, str]
    annotations: dict[str, str]


class RuleGroup(Closed):
    """Alerts that are evaluated together."""

    name: str
    rules: list[AlertingRule]


class PrometheusRuleSpec(Closed):
    """Groups of alerts."""

    groups: list[RuleGroup]


class PrometheusRule(Closed):
    """monitoring.coreos.com PrometheusRule."""

    api_version: Literal["monitoring.coreos.com/v1"]
    kind: Literal["PrometheusRule"]
    metadata: V1ObjectMeta
    spec: PrometheusRuleSpec


class CiliumPort(Closed):
    """A port and its protocol."""

    port: str
    protocol: Literal["TCP", "ANY"]


class DnsPattern(Closed):
    """Names that may be resolved."""

    match_pattern: str


class DnsRules(Closed):
    """The layer 7 of DNS."""

    dns: list[DnsPattern]


class CiliumPorts(Closed):
    """At most 40 ports, and what may be sent to them."""

    ports: Annotated[list[CiliumPort], Field(max_length=40)]
    rules: DnsRules | None = None


class MatchName(Closed):
    """A host."""

    match_name: Annotated[str, Field(pattern=r"^([-a-zA-Z0-9_]+[.]?)+$", max_length=255)]


class CiliumEgress(Closed):
    """One kind of peers."""

    to_endpoints: list[Selector] | None = None
    to_cidr: list[str] | None = Field(None, alias="toCIDR")
    to_fqdns: list[MatchName] | None = Field(None, alias="toFQDNs")
    to_ports: Annotated[list[CiliumPorts], Field(min_length=1)]


class CiliumDenial(Closed):
    """Ranges that are denied."""

    to_cidr: list[str] = Field(alias="toCIDR")


class CiliumSpec(Closed):
    """What pods may connect to."""

    endpoint_selector: Selector
    egress: list[CiliumEgress]
    egress_deny: list[CiliumDenial]


class CiliumNetworkPolicy(Closed):
    """cilium.io CiliumNetworkPolicy."""

    api_version: Literal["cilium.io/v2"]
    kind: Literal["CiliumNetworkPolicy"]
    metadata: V1ObjectMeta
    spec: CiliumSpec


KINDS: Mapping[str, type[BaseModel]] = {
    "CiliumNetworkPolicy": CiliumNetworkPolicy,
    "ConfigMap": client.V1ConfigMap,
    "Deployment": client.V1Deployment,
    "ExternalSecret": ExternalSecret,
    "HTTPRoute": HttpRoute,
    "HorizontalPodAutoscaler": client.V2HorizontalPodAutoscaler,
    "Ingress": client.V1Ingress,
    "Namespace": client.V1Namespace,
    "NetworkPolicy": client.V1NetworkPolicy,
    "PodDisruptionBudget": client.V1PodDisruptionBudget,
    "PrometheusRule": PrometheusRule,
    "Secret": client.V1Secret,
    "SecretStore": SecretStore,
    "Service": client.V1Service,
    "ServiceAccount": client.V1ServiceAccount,
    "ServiceMonitor": ServiceMonitor,
}


def kept(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest as the model of its kind has it; pydantic.ValidationError when the kind does not allow it."""
    model = KINDS[manifest["kind"]]
    assert model.model_config.get("extra") == "forbid"
    dumped: dict[str, Any] = model.model_validate(manifest).model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped
