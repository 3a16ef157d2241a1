"""Validation of built-in kinds: the rules of each kind."""

from typing import Any, Final

from kubeschema.errors import Cause, Gvk
from kubeschema.kinds import core_rules as core
from kubeschema.kinds import job_rules as jobs
from kubeschema.kinds import network_rules as network
from kubeschema.kinds import workload_rules as workload
from kubeschema.kinds.core_rules import Rule, UpdateRule
from kubeschema.kinds.pod_rules import pod, pod_update
from kubeschema.metadata_rules import validate_metadata, validate_metadata_update
from kubeschema.value_rules import validate_value

__all__ = ["validate_create", "validate_metadata", "validate_update", "validate_value"]

Object = dict[str, Any]

_RBAC: Final = "rbac.authorization.k8s.io"
_RULES: Final[dict[tuple[str, str], Rule]] = {
    ("", "ConfigMap"): core.config_map,
    ("", "Secret"): core.secret,
    ("", "Event"): core.event,
    ("", "Pod"): pod,
    ("", "Service"): network.service,
    ("apps", "Deployment"): workload.deployment,
    ("apps", "ReplicaSet"): workload.replica_set,
    ("apps", "ControllerRevision"): core.controller_revision,
    ("batch", "Job"): jobs.job,
    ("policy", "PodDisruptionBudget"): workload.disruption_budget,
    ("autoscaling", "HorizontalPodAutoscaler"): workload.autoscaler,
    ("autoscaling", "Scale"): core.scale,
    ("networking.k8s.io", "Ingress"): network.ingress,
    ("networking.k8s.io", "NetworkPolicy"): network.network_policy,
    ("coordination.k8s.io", "Lease"): core.lease,
    (_RBAC, "Role"): core.role,
    (_RBAC, "ClusterRole"): core.role,
    (_RBAC, "RoleBinding"): core.role_binding,
    (_RBAC, "ClusterRoleBinding"): core.role_binding,
}
_UPDATE_RULES: Final[dict[tuple[str, str], UpdateRule]] = {
    ("", "ConfigMap"): core.config_map_update,
    ("", "Secret"): core.secret_update,
    ("", "Pod"): pod_update,
    ("", "Service"): network.service_update,
    ("apps", "Deployment"): workload.deployment_update,
    ("apps", "ReplicaSet"): workload.deployment_update,
    ("apps", "ControllerRevision"): core.controller_revision_update,
    ("batch", "Job"): jobs.job_update,
    (_RBAC, "RoleBinding"): core.role_binding_update,
    (_RBAC, "ClusterRoleBinding"): core.role_binding_update,
}
_NAME_RULES: Final = {
    ("", "Namespace"): "label",
    ("", "Service"): "label",
    **{(_RBAC, kind): "path" for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")},
}


def validate_create(gvk: Gvk, obj: Object, *, namespaced: bool = True) -> list[Cause]:
    """Validate a new object of a built-in kind; the causes are in the order of the server."""
    kind = (gvk[0], gvk[2])
    rule = _RULES.get(kind)
    out = validate_metadata(obj, namespaced=namespaced, name_rule=_NAME_RULES.get(kind, "subdomain"))
    return out + rule(obj) if rule else out


def validate_update(
    gvk: Gvk, old: Object, new: Object, *, subresource: str = "", namespaced: bool = True
) -> list[Cause]:
    """Validate an update of an object of a built-in kind; the causes are in the order of the server."""
    kind = (gvk[0], gvk[2])
    out = validate_metadata_update(old, new)
    if subresource == "status":
        return out
    update = _UPDATE_RULES.get(kind)
    if update:
        out += update(old, new)
    return out + validate_create(gvk, new, namespaced=namespaced)
