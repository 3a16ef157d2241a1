"""Server-side printing: objects as `metav1.Table`."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from localkube.apiserver.http.encode import partial
from localkube.apiserver.http.route import Target
from localkube.apiserver.http.tables import cells, cluster, jsonpath, network, pods, workloads
from localkube.apiserver.http.tables.columns import NAME, Column, described
from localkube.apiserver.registry import Registry
from localkube.apiserver.storage.store import Record
from localkube.meta.status import Object

Row = Callable[[Object], list[Any]]

_NETWORKING = "networking.k8s.io"
_RBAC = "rbac.authorization.k8s.io"
_TABLES: dict[str, tuple[Sequence[Column], Row]] = {
    "configmaps": (cluster.CONFIG_MAP, cluster.config_map),
    "controllerrevisions.apps": (cluster.REVISION, cluster.revision),
    "deployments.apps": (workloads.DEPLOYMENT, workloads.deployment),
    "events": (cluster.EVENT, cluster.event),
    "horizontalpodautoscalers.autoscaling": (workloads.AUTOSCALER, workloads.autoscaler),
    f"ingresses.{_NETWORKING}": (network.INGRESS, network.ingress),
    "jobs.batch": (workloads.JOB, workloads.job),
    "leases.coordination.k8s.io": (cluster.LEASE, cluster.lease),
    "namespaces": (cluster.NAMESPACE, cluster.namespace),
    f"networkpolicies.{_NETWORKING}": (network.NETWORK_POLICY, network.network_policy),
    "nodes": (cluster.NODE, cluster.node),
    "poddisruptionbudgets.policy": (workloads.BUDGET, workloads.budget),
    "pods": (pods.COLUMNS, pods.row),
    "replicasets.apps": (workloads.REPLICA_SET, workloads.replica_set),
    "secrets": (cluster.SECRET, cluster.secret),
    "services": (network.SERVICE, network.service),
    "customresourcedefinitions.apiextensions.k8s.io": (cluster.CREATED_AT, cluster.created_at),
    f"roles.{_RBAC}": (cluster.CREATED_AT, cluster.created_at),
    f"clusterroles.{_RBAC}": (cluster.CREATED_AT, cluster.created_at),
    f"rolebindings.{_RBAC}": (cluster.BINDING, cluster.binding),
    f"clusterrolebindings.{_RBAC}": (cluster.BINDING, cluster.binding),
}


def table(
    registry: Registry,
    target: Target,
    records: Iterable[Record],
    metadata: Object,
    include: str = "",
    *,
    columns: bool = True,
) -> Object:
    """The Table of objects. `include` is the parameter includeObject: None, Object, or by default Metadata."""
    definitions, row = _layout(registry, target)
    rows = [_row(row, record.object, include) for record in records]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {k: v for k, v in metadata.items() if k != "continue" or v},
        "columnDefinitions": definitions if columns else [],
        "rows": rows,
    }


def _row(row: Row, obj: Object, include: str) -> Object:
    found: Object = {"cells": row(obj)}
    if include == "Object":
        found["object"] = obj
    elif include != "None":
        found["object"] = partial(obj)
    return found


def _layout(registry: Registry, target: Target) -> tuple[list[Object], Row]:
    if target.resource.custom:
        return _custom(registry, target)
    columns, row = _TABLES.get(target.storage, (cluster.DEFAULT, cluster.default))
    return [c.definition() for c in columns], row


def _custom(registry: Registry, target: Target) -> tuple[list[Object], Row]:
    version = registry.crds.definitions[target.resource.key].versions[target.version]
    age = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
    columns = version.columns or [{**age, "description": described("Pod.metadata.creationTimestamp")}]
    definitions = [NAME.definition(), *(_definition(c) for c in columns)]

    def row(obj: Object) -> list[Any]:
        return [obj["metadata"]["name"], *(_cell(obj, c) for c in columns)]

    return definitions, row


def _definition(column: Object) -> Object:
    return {
        "name": column["name"],
        "type": column["type"],
        "format": column.get("format", ""),
        "description": column.get("description")
        or f"Custom resource definition column (in JSONPath format): {column['jsonPath']}",
        "priority": column.get("priority", 0),
    }


def _cell(obj: Object, column: Object) -> Any:
    found = jsonpath.find(obj, column["jsonPath"])
    if not found:
        return None
    value = found[0]
    match column["type"]:
        case "integer" | "number":
            return value if isinstance(value, int | float) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return cells.age(value) if isinstance(value, str) else cells.UNKNOWN
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else ",".join(map(str, found)) if len(found) > 1 else str(value)
