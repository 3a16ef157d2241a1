"""The kinds that the operator reads and writes, in the order in which they are applied."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.api import constants


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind and where the API serves it. Several versions: best first, of which a cluster may serve only a later.

    What is not watched is read by name.
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
        """Name of the CustomResourceDefinition that an optional kind comes from."""
        return f"{self.plural}.{self.group}"

    def path(self, version: str, namespace: str = "", name: str = "") -> str:
        """Path of a collection, or of an object when it has a name."""
        prefix = "/apis" if "/" in version else "/api"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{prefix}/{version}{scope}/{self.plural}" + (f"/{name}" if name else "")


NAMESPACE = Kind("Namespace", "namespaces", ("v1",), namespaced=False)
CONFIG_MAP = Kind("ConfigMap", "configmaps", ("v1",))
SECRET = Kind("Secret", "secrets", ("v1",), watched=False)
SERVICE_ACCOUNT = Kind("ServiceAccount", "serviceaccounts", ("v1",))
DEPLOYMENT = Kind("Deployment", "deployments", ("apps/v1",))
CONTROLLER_REVISION = Kind("ControllerRevision", "controllerrevisions", ("apps/v1",))
JOB = Kind("Job", "jobs", ("batch/v1",))

# What an AgentDeployment becomes.
CHILDREN: tuple[Kind, ...] = (
    NAMESPACE,
    SERVICE_ACCOUNT,
    Kind("SecretStore", "secretstores", ("external-secrets.io/v1", "external-secrets.io/v1beta1"), optional=True),
    Kind("ExternalSecret", "externalsecrets", ("external-secrets.io/v1", "external-secrets.io/v1beta1"), optional=True),
    SECRET,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    Kind("NetworkPolicy", "networkpolicies", ("networking.k8s.io/v1",)),
    Kind("Service", "services", ("v1",)),
    Kind("PodDisruptionBudget", "poddisruptionbudgets", ("policy/v1",)),
    DEPLOYMENT,
    JOB,
    Kind("HorizontalPodAutoscaler", "horizontalpodautoscalers", ("autoscaling/v2",)),
    Kind("Ingress", "ingresses", ("networking.k8s.io/v1",)),
    Kind("HTTPRoute", "httproutes", ("gateway.networking.k8s.io/v1",), optional=True),
    Kind("ServiceMonitor", "servicemonitors", ("monitoring.coreos.com/v1",), optional=True),
)
# What a Deployment becomes: read only, to know which config is in use and why a pod fails.
GRANDCHILDREN: tuple[Kind, ...] = (
    Kind("ReplicaSet", "replicasets", ("apps/v1",)),
    Kind("Pod", "pods", ("v1",)),
)
WATCHED: tuple[Kind, ...] = tuple(kind for kind in CHILDREN + GRANDCHILDREN if kind.watched)
# What a fleet follows. Watched in the cluster-wide install only, and optional: agents do without.
CHANNEL = Kind(
    constants.CHANNEL_KIND, constants.CHANNEL_PLURAL, (constants.API_VERSION,), namespaced=False, optional=True
)
BY_NAME: Mapping[str, Kind] = {kind.kind: kind for kind in CHILDREN + GRANDCHILDREN}
# What a workload needs before it can start. Only these are applied while its credentials are missing.
FOUNDATIONS = frozenset({"Namespace", "ServiceAccount", "SecretStore", "ExternalSecret"})


def object_path(manifest: Mapping[str, Any]) -> str:
    """Path of the object that a manifest describes."""
    meta = manifest["metadata"]
    kind = BY_NAME[manifest["kind"]]
    return kind.path(manifest["apiVersion"], meta.get("namespace", ""), meta["name"])
