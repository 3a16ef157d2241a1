"""The kinds that the operator reads and writes, in the order in which it applies them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.api import constants


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind and its place in the API.

    Attributes:
        versions: supported versions, the preferred one first. A cluster may serve only some of them.
        optional: whether a cluster may lack the API.
        watched: whether an informer watches the kind. The operator gets other kinds by name.
    """

    kind: str
    plural: str
    versions: tuple[str, ...]
    namespaced: bool = True
    optional: bool = False
    watched: bool = True

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.versions[0].rpartition("/")[0]

    @property
    def crd(self) -> str:
        """Name of the CustomResourceDefinition of an optional kind."""
        return f"{self.plural}.{self.group}"

    def path(self, version: str, namespace: str = "", name: str = "") -> str:
        """Return the path of a collection, or of an object if `name` is not empty."""
        prefix = "/apis" if "/" in version else "/api"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{prefix}/{version}{scope}/{self.plural}" + (f"/{name}" if name else "")


NAMESPACE = Kind("Namespace", "namespaces", ("v1",), namespaced=False)
CONFIG_MAP = Kind("ConfigMap", "configmaps", ("v1",))
SECRET = Kind("Secret", "secrets", ("v1",), watched=False)
SERVICE_ACCOUNT = Kind("ServiceAccount", "serviceaccounts", ("v1",))
SERVICE = Kind("Service", "services", ("v1",))
DEPLOYMENT = Kind("Deployment", "deployments", ("apps/v1",))
CONTROLLER_REVISION = Kind("ControllerRevision", "controllerrevisions", ("apps/v1",))
JOB = Kind("Job", "jobs", ("batch/v1",))

# Kinds that an Ingress names. The operator reads whether an object exists.
INGRESS_CLASS = Kind("IngressClass", "ingressclasses", ("networking.k8s.io/v1",), namespaced=False, watched=False)
CLUSTER_ISSUER = Kind("ClusterIssuer", "clusterissuers", ("cert-manager.io/v1",), namespaced=False, watched=False)
ISSUER = Kind("Issuer", "issuers", ("cert-manager.io/v1",), watched=False)

# Kinds of the children of an AgentDeployment.
CHILDREN: tuple[Kind, ...] = (
    NAMESPACE,
    SERVICE_ACCOUNT,
    Kind("SecretStore", "secretstores", ("external-secrets.io/v1", "external-secrets.io/v1beta1"), optional=True),
    Kind("ExternalSecret", "externalsecrets", ("external-secrets.io/v1", "external-secrets.io/v1beta1"), optional=True),
    SECRET,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    Kind("CiliumNetworkPolicy", "ciliumnetworkpolicies", ("cilium.io/v2",), optional=True),
    Kind("NetworkPolicy", "networkpolicies", ("networking.k8s.io/v1",)),
    SERVICE,
    Kind("PodDisruptionBudget", "poddisruptionbudgets", ("policy/v1",)),
    DEPLOYMENT,
    JOB,
    Kind("HorizontalPodAutoscaler", "horizontalpodautoscalers", ("autoscaling/v2",)),
    Kind("Ingress", "ingresses", ("networking.k8s.io/v1",)),
    Kind("HTTPRoute", "httproutes", ("gateway.networking.k8s.io/v1",), optional=True),
    Kind("ServiceMonitor", "servicemonitors", ("monitoring.coreos.com/v1",), optional=True),
    Kind("PrometheusRule", "prometheusrules", ("monitoring.coreos.com/v1",), optional=True),
)
# Kinds of the children of a Deployment. The operator reads them to detect failures and which config is in use.
GRANDCHILDREN: tuple[Kind, ...] = (
    Kind("ReplicaSet", "replicasets", ("apps/v1",)),
    Kind("Pod", "pods", ("v1",)),
)
WATCHED: tuple[Kind, ...] = tuple(kind for kind in CHILDREN + GRANDCHILDREN if kind.watched)
# Watched by a cluster-wide install only. Optional, because agents work without channels.
CHANNEL = Kind(
    constants.CHANNEL_KIND, constants.CHANNEL_PLURAL, (constants.API_VERSION,), namespaced=False, optional=True
)
BY_NAME: Mapping[str, Kind] = {kind.kind: kind for kind in CHILDREN + GRANDCHILDREN}
# Kinds that the operator applies even while the credentials are missing, because they provide the credentials.
FOUNDATIONS = frozenset({"Namespace", "ServiceAccount", "SecretStore", "ExternalSecret"})


def object_path(manifest: Mapping[str, Any]) -> str:
    """Return the path of the object of a manifest."""
    meta = manifest["metadata"]
    kind = BY_NAME[manifest["kind"]]
    return kind.path(manifest["apiVersion"], meta.get("namespace", ""), meta["name"])
