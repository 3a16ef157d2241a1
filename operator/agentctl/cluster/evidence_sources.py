"""Which collections the diagnosis of an agent reads. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_operator.api import constants
from agent_operator.kube.shapes import mapping, text
from agentctl.diagnosis.findings import Area

MOST = 500
_METRICS_REMEDY = "install metrics-server, so that `kubectl top pods` works"


@dataclass(frozen=True, slots=True)
class Source:
    """A collection of the API.

    Attributes:
        plural: name of the objects in the evidence.
        kind: their kind.
        path: path of the collection.
        area: what cannot be checked without it.
        parameters: of the request.
        resource: as kubectl names it.
        namespace: of the collection; empty for all.
        absent: why it matters that the API is not installed; empty if it does not.
    """

    plural: str
    kind: str
    path: str
    area: Area
    resource: str
    namespace: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    absent: str = ""

    @property
    def remedy(self) -> str:
        """How to get the right to read it."""
        scope = f"-n {self.namespace}" if self.namespace else "-A"
        return f"ask for the right: `kubectl auth can-i list {self.resource} {scope}` must answer yes"


def sources(agent: Mapping[str, Any], namespace: str) -> Iterator[Source]:
    """Yield the collections in the namespace of the children, and those of the cluster."""
    name = text(mapping(agent.get("metadata")).get("name"))
    own = {"labelSelector": f"{constants.LABEL_AGENT}={name}"}
    pods = {"labelSelector": f"{constants.LABEL_APP} in ({name},{constants.canary(name)})"}

    def within(group: str, plural: str, kind: str, area: Area, **parameters: str) -> Source:
        path = f"/{'apis' if group else 'api'}/{group or 'v1'}/namespaces/{namespace}/{plural}"
        resource = f"{plural}.{group.partition('/')[0]}" if group else plural
        return Source(plural, kind, path, area, resource, namespace, parameters)

    yield within("", "pods", "Pod", Area.PODS, **pods)
    yield within("apps/v1", "deployments", "Deployment", Area.PODS, **own)
    yield within("", "services", "Service", Area.EXPOSURE)
    endpoints = {"labelSelector": f"kubernetes.io/service-name={name}"}
    yield within("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", Area.EXPOSURE, **endpoints)
    yield within("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", Area.POLICY)
    yield within("", "resourcequotas", "ResourceQuota", Area.RESOURCES)
    yield within("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", Area.SCALING)
    yield within("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", Area.SCALING)
    metrics = f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"
    yield Source(
        "podmetrics", "PodMetrics", metrics, Area.RESOURCES, "pods.metrics.k8s.io", namespace, pods, _METRICS_REMEDY
    )
    yield from _optional(mapping(agent.get("spec")), namespace)
    yield from _of_operator()


def _optional(spec: Mapping[str, Any], namespace: str) -> Iterator[Source]:
    """Yield what only some agents use."""
    secrets, ingress = f"/apis/external-secrets.io/v1/namespaces/{namespace}", mapping(spec.get("ingress"))
    if mapping(spec.get("credentials")).get("externalSecret"):
        for plural, kind in (("externalsecrets", "ExternalSecret"), ("secretstores", "SecretStore")):
            resource = f"{plural}.external-secrets.io"
            yield Source(plural, kind, f"{secrets}/{plural}", Area.SECRETS, resource, namespace)
    if ingress:
        networking = "/apis/networking.k8s.io/v1"
        path, resource = f"{networking}/namespaces/{namespace}/ingresses", "ingresses.networking.k8s.io"
        yield Source("ingresses", "Ingress", path, Area.EXPOSURE, resource, namespace)
        resource = "ingressclasses.networking.k8s.io"
        yield Source("ingressclasses", "IngressClass", f"{networking}/ingressclasses", Area.EXPOSURE, resource)
    if ingress.get("tls"):
        path, resource = f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificates", "certificates.cert-manager.io"
        yield Source("certificates", "Certificate", path, Area.EXPOSURE, resource, namespace)
    if spec.get("gateway"):
        group = "gateway.networking.k8s.io"
        path = f"/apis/{group}/v1/namespaces/{namespace}/httproutes"
        yield Source("httproutes", "HTTPRoute", path, Area.EXPOSURE, f"httproutes.{group}", namespace)


def _of_operator() -> Iterator[Source]:
    pods = {"labelSelector": f"{constants.LABEL_NAME}={constants.MANAGER}"}
    yield Source("operatorpods", "Pod", "/api/v1/pods", Area.OPERATOR, "pods", "", pods)
    lease = {"fieldSelector": f"metadata.name={constants.MANAGER}"}
    leases = "/apis/coordination.k8s.io/v1/leases"
    yield Source("leases", "Lease", leases, Area.OPERATOR, "leases.coordination.k8s.io", "", lease)
