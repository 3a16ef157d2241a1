"""The built-in resources, and the table of all served resources."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """The paths of the fields of `autoscaling/v1` Scale in a resource, without the leading dot."""

    spec_replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource. `versions` are the served ones, preferred first; `storage` is the stored one.

    `stored_as` names the resource that stores the objects: events.events.k8s.io serves the objects of events.
    """

    group: str
    versions: tuple[str, ...]
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    storage: str = ""
    status: bool = False
    scale: ScalePaths | None = None
    generation: bool = False
    selectable: tuple[str, ...] = ()
    custom: bool = False
    verbs: tuple[str, ...] = ALL_VERBS
    stored_as: str = ""

    @property
    def key(self) -> str:
        """`plural.group`, or the bare plural in the core group, as kubectl names it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def storage_version(self) -> str:
        """The stored version."""
        return self.storage or self.versions[0]

    @property
    def api_version(self) -> str:
        """`group/version` of the stored objects."""
        return self.group_version(self.storage_version)

    @property
    def lists(self) -> str:
        """The kind of a list of objects."""
        return self.list_kind or f"{self.kind}List"

    def group_version(self, version: str) -> str:
        """`group/version`, or the bare version in the core group."""
        return f"{self.group}/{version}" if self.group else version


def _core(plural: str, kind: str, *short: str, **more: Any) -> Resource:
    return _in("", plural, kind, *short, **more)


def _in(group: str, plural: str, kind: str, *short: str, **more: Any) -> Resource:
    fields: dict[str, Any] = {"versions": ("v1",), "singular": kind.lower(), "short_names": short, **more}
    return Resource(group=group, plural=plural, kind=kind, **fields)


_SCALE = ScalePaths(selector="spec.selector")
_ALL = ("all",)
_SPEC: dict[str, Any] = {"status": True, "generation": True}
_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)
_REFERENCE_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_EVENT_FIELDS = (
    *(f"involvedObject.{field}" for field in _REFERENCE_FIELDS),
    *("reason", "reportingComponent", "source", "type"),
)
# The selectors of events.k8s.io, which selectors.py applies to the stored objects of the core group.
_NEW_EVENT_FIELDS = (*(f"regarding.{field}" for field in _REFERENCE_FIELDS), "reason", "reportingController", "type")
_ADMISSION = "admissionregistration.k8s.io"
_RBAC = "rbac.authorization.k8s.io"
_NET = "networking.k8s.io"

BUILT_IN: tuple[Resource, ...] = (
    _core("configmaps", "ConfigMap", "cm"),
    _core("events", "Event", "ev", selectable=_EVENT_FIELDS),
    _core("namespaces", "Namespace", "ns", namespaced=False, status=True, selectable=("status.phase",)),
    _core("nodes", "Node", "no", namespaced=False, status=True, selectable=("spec.unschedulable",)),
    _core("pods", "Pod", "po", status=True, generation=True, categories=_ALL, selectable=_POD_FIELDS),
    _core("secrets", "Secret", selectable=("type",)),
    _core("serviceaccounts", "ServiceAccount", "sa"),
    _core("services", "Service", "svc", status=True, categories=_ALL, selectable=("spec.clusterIP", "spec.type")),
    _in("apps", "controllerrevisions", "ControllerRevision"),
    _in("apps", "deployments", "Deployment", "deploy", **_SPEC, scale=_SCALE, categories=_ALL),
    _in(
        "apps",
        "replicasets",
        "ReplicaSet",
        "rs",
        **_SPEC,
        scale=_SCALE,
        categories=_ALL,
        selectable=("status.replicas",),
    ),
    _in(
        "autoscaling",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        "hpa",
        versions=("v2",),
        status=True,
        categories=_ALL,
    ),
    _in("batch", "jobs", "Job", **_SPEC, categories=_ALL, selectable=("status.successful",)),
    _in("coordination.k8s.io", "leases", "Lease"),
    _in("discovery.k8s.io", "endpointslices", "EndpointSlice", generation=True),
    _in("events.k8s.io", "events", "Event", "ev", stored_as="events", selectable=_NEW_EVENT_FIELDS),
    _in(_NET, "ingressclasses", "IngressClass", namespaced=False),
    _in(_NET, "ingresses", "Ingress", "ing", **_SPEC),
    _in(_NET, "networkpolicies", "NetworkPolicy", "netpol", generation=True),
    _in("policy", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", **_SPEC),
    _in(_RBAC, "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    _in(_RBAC, "clusterroles", "ClusterRole", namespaced=False),
    _in(_RBAC, "rolebindings", "RoleBinding"),
    _in(_RBAC, "roles", "Role"),
    _in(_ADMISSION, "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False, **_SPEC),
    _in(
        _ADMISSION,
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        namespaced=False,
        generation=True,
    ),
    _in(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        "crd",
        "crds",
        namespaced=False,
        categories=("api-extensions",),
        **_SPEC,
    ),
)


class ResourceTable:
    """All served resources, built-in and custom, by `plural.group` and by group."""

    def __init__(self) -> None:
        self._by_key: dict[str, Resource] = {}
        self._groups: dict[str, dict[str, Resource]] = {}
        for resource in BUILT_IN:
            self.add(resource)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_key.values())

    def add(self, resource: Resource) -> None:
        """Serve a resource, or replace its definition."""
        self._by_key[resource.key] = resource
        self._groups.setdefault(resource.group, {})[resource.plural] = resource

    def remove(self, resource: Resource) -> None:
        """Stop serving a resource."""
        self._by_key.pop(resource.key, None)
        group = self._groups.get(resource.group, {})
        group.pop(resource.plural, None)
        if not group:
            self._groups.pop(resource.group, None)

    def get(self, key: str) -> Resource | None:
        """The resource `plural.group`; None if it is not served."""
        return self._by_key.get(key)

    def named(self, key: str) -> Resource:
        """The resource `plural.group`. Raises KeyError if it is not served."""
        return self._by_key[key]

    def groups(self) -> dict[str, dict[str, Resource]]:
        """Resources by group and plural; treat as read-only."""
        return self._groups

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of an apiVersion and kind, for example of an ownerReference; None if it is not served."""
        group = api_version.rpartition("/")[0]
        return next((r for r in self._groups.get(group, {}).values() if r.kind == kind), None)
