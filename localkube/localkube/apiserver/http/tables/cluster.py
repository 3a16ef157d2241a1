"""Tables of the core group, RBAC and the rest."""

from typing import Any

from localkube.apiserver.http.tables import cells
from localkube.apiserver.http.tables.columns import AGE, CREATED, NAME, Column
from localkube.meta.status import Object

CONFIG_MAP = (NAME, Column("Data", "=ConfigMap.data"), AGE)


def config_map(obj: Object) -> list[Any]:
    """The cells of a ConfigMap."""
    name, age = cells.name_age(obj)
    return [name, len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age]


SECRET = (NAME, Column("Type", "=Secret.type"), Column("Data", "=Secret.data"), AGE)


def secret(obj: Object) -> list[Any]:
    """The cells of a Secret, without values."""
    name, age = cells.name_age(obj)
    return [name, obj.get("type", "Opaque"), len(obj.get("data") or ()), age]


NAMESPACE = (NAME, Column("Status", "The status of the namespace"), AGE)


def namespace(obj: Object) -> list[Any]:
    """The cells of a Namespace."""
    name, age = cells.name_age(obj)
    return [name, (obj.get("status") or {}).get("phase", ""), age]


EVENT = (
    Column("Last Seen", "=Event.lastTimestamp"),
    Column("Type", "=Event.type"),
    Column("Reason", "=Event.reason"),
    Column("Object", "=Event.involvedObject"),
    Column("Subobject", "=Event.involvedObject.fieldPath", wide=True),
    Column("Source", "=Event.source", wide=True),
    Column("Message", "=Event.message"),
    Column("First Seen", "=Event.firstTimestamp", wide=True),
    Column("Count", "=Event.count", wide=True),
    Column("Name", "=Event.metadata.name", wide=True),
)


def event(obj: Object) -> list[Any]:
    """The cells of an Event."""
    involved, source = obj.get("involvedObject") or {}, obj.get("source") or {}
    series = obj.get("series") or {}
    created = obj["metadata"].get("creationTimestamp")
    first = obj.get("firstTimestamp") or obj.get("eventTime") or created
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    return [
        cells.age(last),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}",
        involved.get("fieldPath", ""),
        ", ".join(filter(None, (source.get("component") or obj.get("reportingComponent"), source.get("host")))),
        str(obj.get("message", "")).strip(),
        cells.age(first),
        series.get("count") or obj.get("count", 1) or 1,
        obj["metadata"]["name"],
    ]


NODE = (
    NAME,
    Column("Status", "The status of the node"),
    Column("Roles", "The roles of the node"),
    AGE,
    Column("Version", "Kubelet Version reported by the node."),
    Column("Internal-IP", "=Node.status.addresses", wide=True),
    Column("External-IP", "=Node.status.addresses", wide=True),
    Column("OS-Image", "=Node.status.nodeInfo.osImage", wide=True),
    Column("Kernel-Version", "=Node.status.nodeInfo.kernelVersion", wide=True),
    Column("Container-Runtime", "=Node.status.nodeInfo.containerRuntimeVersion", wide=True),
)


def node(obj: Object) -> list[Any]:
    """The cells of a Node."""
    name, age = cells.name_age(obj)
    status = obj.get("status") or {}
    info = status.get("nodeInfo") or {}
    ready = {"True": "Ready", "False": "NotReady"}.get(
        (cells.condition(obj, "Ready") or {}).get("status", ""), "Unknown"
    )
    if (obj.get("spec") or {}).get("unschedulable"):
        ready += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = sorted(k[len(prefix) :] for k in obj["metadata"].get("labels") or {} if k.startswith(prefix))
    addresses = {a["type"]: a["address"] for a in status.get("addresses") or ()}
    found = [addresses.get(t) or cells.NONE for t in ("InternalIP", "ExternalIP")]
    details = [info.get(f) or cells.UNKNOWN for f in ("osImage", "kernelVersion", "containerRuntimeVersion")]
    return [name, ready, ",".join(roles) or cells.NONE, age, info.get("kubeletVersion", ""), *found, *details]


LEASE = (NAME, Column("Holder", "=coordination:k8s:io/v1/Lease.spec.holderIdentity"), AGE)


def lease(obj: Object) -> list[Any]:
    """The cells of a Lease."""
    name, age = cells.name_age(obj)
    return [name, (obj.get("spec") or {}).get("holderIdentity", ""), age]


CREATED_AT = (NAME, CREATED)


def created_at(obj: Object) -> list[Any]:
    """The cells of kinds that show only the creation time: roles, CRDs."""
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


BINDING = (
    NAME,
    Column("Role", "RoleRef can reference a Role in the current namespace or a ClusterRole in the global namespace."),
    AGE,
)


def binding(obj: Object) -> list[Any]:
    """The cells of a RoleBinding or ClusterRoleBinding."""
    name, age = cells.name_age(obj)
    role = obj.get("roleRef") or {}
    return [name, f"{role.get('kind')}/{role.get('name')}", age]


REVISION = (
    NAME,
    Column("Controller", "Controller of the object"),
    Column("Revision", "=apps/v1/ControllerRevision.revision"),
    AGE,
)


def revision(obj: Object) -> list[Any]:
    """The cells of a ControllerRevision."""
    name, age = cells.name_age(obj)
    owner = next((r for r in obj["metadata"].get("ownerReferences") or () if r.get("controller")), None)
    shown = f"{owner['kind'].lower()}.{owner['apiVersion'].rpartition('/')[0]}/{owner['name']}" if owner else cells.NONE
    return [name, shown, obj.get("revision", 0), age]


DEFAULT = (NAME, AGE)


def default(obj: Object) -> list[Any]:
    """The cells of a kind without own columns."""
    return list(cells.name_age(obj))
