"""Live objects in the cache: trimmed to the fields that the operator reads, and packed as JSON.

A Deployment takes 20 KiB as Python dicts, and 3 KiB trimmed and packed. An agent has about twelve children.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from agent_operator.api import constants
from agent_operator.kube import pod_failures, shapes, trimming
from agent_operator.kube.stubs import UNREADABLE, stub, unexpected_content

Object = dict[str, Any]
# Watch event type of an object of the initial list, in addition to ADDED, MODIFIED and DELETED.
LISTED = "LISTED"

# Bytes of the largest trimmed object that the cache contains. The operator reads larger objects again when it needs
# them. The children of an agent usually take less than 4 KiB each.
LARGEST_BODY = 64 << 10
_DROPPED_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision")
_KEPT_METADATA = ("name", "namespace", "labels", "ownerReferences", "creationTimestamp", "deletionTimestamp")
# Fields of status that the operator reads, by kind.
_KEPT_STATUS: Mapping[str, tuple[str, ...]] = {
    "Deployment": (
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "conditions",
    ),
    "Namespace": ("phase",),
    "ExternalSecret": ("conditions", "refreshTime"),
    "SecretStore": ("conditions",),
    "Job": ("conditions",),
    "HorizontalPodAutoscaler": ("conditions",),
}
_HASHED_KINDS = frozenset({"Secret", "ConfigMap"})
_NOT_BODY = frozenset({"apiVersion", "kind", "metadata", "status"})
# Kinds of which the operator watches only the metadata. ConfigMaps are the largest objects, and it needs few of them.
METADATA_ONLY = frozenset({"ConfigMap"})
# Entries of managedFields: what the operator applied, and what others wrote through the scale subresource.
_APPLIED = {"manager": constants.FIELD_MANAGER, "operation": "Apply"}
_SCALED = {"subresource": "scale"}
_DATA = ("data", "binaryData")
# Kinds of which only a controller counts as the owner.
_CONTROLLED = frozenset({"Pod", "ReplicaSet"})
_LONGEST_VERSION = 20


class Key(NamedTuple):
    """Namespace and name of an AgentDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return the text for messages and logs, such as `support/web`."""
        return f"{self.namespace}/{self.name}"


class Ref(NamedTuple):
    """Kind, namespace and name of an object. The namespace of a cluster-scoped object is empty."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Return the text for messages, such as `Service support/web`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Live:
    """A live object, packed.

    Attributes:
        uid: metadata.uid.
        version: metadata.resourceVersion.
        body: the trimmed object as JSON; only its metadata if `is_partial`.
        generation: metadata.generation.
        owns_replicas: whether the field manager of the operator owns spec.replicas. Trimming drops managedFields.
        is_scaled: whether another writer owns spec.replicas through the scale subresource, as an autoscaler does.
        owner: UID of the object that controls this one, or of the agent in its labels; empty without one.
        is_partial: whether the body contains only metadata. The operator reads the object when it needs the rest.
        unreadable: why the object cannot be read; empty if it can. The object exists, but nothing else is known of it.
    """

    uid: str
    version: int
    body: bytes
    generation: int = 0
    owns_replicas: bool = False
    is_scaled: bool = False
    owner: str = ""
    is_partial: bool = False
    unreadable: str = ""

    @property
    def object(self) -> Object:
        """The trimmed object. Every access unpacks a new copy."""
        value: Object = from_json(self.body)
        return value


def ref(kind: str, obj: Mapping[str, Any]) -> Ref:
    """Return the reference of an object. List items have no kind, so the caller passes it."""
    meta = obj["metadata"]
    return Ref(kind, meta.get("namespace", ""), meta["name"])


def agent_key(obj: Mapping[str, Any]) -> Key | None:
    """Return the agent that the labels of an object name; None if it lacks these labels."""
    meta = obj["metadata"]
    labels = shapes.mapping(meta.get("labels"))
    namespace = shapes.text(labels.get(constants.LABEL_AGENT_NAMESPACE)) or meta.get("namespace", "")
    name = shapes.text(labels.get(constants.LABEL_AGENT))
    return Key(namespace, name) if name and namespace else None


def version(obj: Mapping[str, Any]) -> int:
    """Return metadata.resourceVersion as a number, which Kubernetes guarantees since 1.35; 0 if it is none."""
    text = obj["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_VERSION else 0


def pack(kind: str, obj: Mapping[str, Any], *, largest: int | None = None) -> Live:
    """Trim an object from the API server, hash its data if it is a Secret or ConfigMap, and pack it.

    Never fails. An object that cannot be trimmed is unreadable. An object whose body has more than `largest` bytes is
    partial.
    """
    reason: str = obj.get(UNREADABLE, "")
    if not reason:
        try:
            return _pack(kind, obj, largest)
        except Exception as error:  # noqa: BLE001  (whatever the object contains)
            reason = unexpected_content(error)
    return replace(pack_unreadable(obj, reason), owner=_owner(kind, obj["metadata"]))


def _pack(kind: str, obj: Mapping[str, Any], largest: int | None) -> Live:
    meta = obj["metadata"]
    is_partial = kind in METADATA_ONLY and obj.keys().isdisjoint(_DATA)
    body = to_json(_TRIM.get(kind, _trim)(kind, obj))
    if largest is not None and len(body) > largest:
        is_partial, body = True, _identity_body(stub(meta, "")["metadata"])
    return Live(
        uid=meta.get("uid", ""),
        version=version(obj),
        body=body,
        generation=meta.get("generation", 0),
        owns_replicas=kind == "Deployment" and _owns_replicas(meta, _APPLIED),
        is_scaled=kind == "Deployment" and _owns_replicas(meta, _SCALED),
        owner=_owner(kind, meta),
        is_partial=is_partial,
    )


def with_hashed_data(kind: str, obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace the values of a Secret or ConfigMap with their hashes. Return other kinds unchanged."""
    if kind not in _HASHED_KINDS:
        return obj
    data = {key: _digest(value) for key, value in (obj.get("data") or {}).items()}
    rest = {key: value for key, value in obj.items() if key != "data"}
    return {**rest, "data": data} if data else rest


def _digest(value: str) -> str:
    return blake2b(value.encode(), digest_size=12).hexdigest()


def _trim(kind: str, obj: Mapping[str, Any]) -> Object:
    trimmed: Object = {"metadata": _trim_metadata(obj["metadata"])}
    trimmed |= {key: value for key, value in with_hashed_data(kind, obj).items() if key not in _NOT_BODY}
    status = obj.get("status") or {}
    kept_status = {key: status[key] for key in _KEPT_STATUS.get(kind, ()) if key in status}
    if "conditions" in kept_status:
        kept_status["conditions"] = shapes.conditions(kept_status["conditions"])
        if kind == "HorizontalPodAutoscaler":
            kept_status["conditions"] = trimming.autoscaler_failures(kept_status["conditions"])
    if kept_status:
        trimmed["status"] = kept_status
    if kind == "Deployment":
        trimmed["metadata"]["generation"] = obj["metadata"].get("generation", 0)
        if any(condition["type"] == "ReplicaFailure" for condition in kept_status.get("conditions", ())):
            trimmed["failure"] = pod_failures.of_deployment(kept_status["conditions"])
    return trimmed


def _trim_metadata(meta: Mapping[str, Any]) -> Object:
    kept = {key: meta[key] for key in _KEPT_METADATA if key in meta}
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in _DROPPED_ANNOTATIONS}
    return kept | ({"annotations": annotations} if annotations else {})


def _trim_revision(_kind: str, obj: Mapping[str, Any]) -> Object:
    """Keep the metadata. The operator reads the content when it needs it."""
    return {"metadata": _trim_metadata(obj["metadata"]), "revision": obj.get("revision") or 0}


_TRIM: Mapping[str, Callable[[str, Mapping[str, Any]], Object]] = {
    "Pod": lambda _, pod: trimming.trim_pod(pod),
    "ReplicaSet": lambda _, obj: trimming.trim_replica_set(obj),
    "ControllerRevision": _trim_revision,
}


def pack_unreadable(obj: Mapping[str, Any], reason: str) -> Live:
    """Pack what identifies an object that cannot be read."""
    meta = stub(obj["metadata"], reason)["metadata"]
    uid, resource_version, generation = meta.get("uid", ""), version({"metadata": meta}), meta.get("generation", 0)
    return Live(uid, resource_version, _identity_body(meta), generation, owner=owner_uid(meta), unreadable=reason)


def _identity_body(meta: Object) -> bytes:
    """Return the body of an object of which only the metadata is known. It has the fields that every reader expects."""
    kept = {key: value for key, value in meta.items() if key != "resourceVersion"}
    return to_json({"metadata": kept, "spec": {}, "uses": []})


def owner_uid(meta: Mapping[str, Any]) -> str:
    """Return the UID of the controlling owner, or of the agent in the labels; empty without one."""
    return _controller_uid(meta) or str((meta.get("labels") or {}).get(constants.LABEL_OWNER_UID) or "")


def _controller_uid(meta: Mapping[str, Any]) -> str:
    for owner in meta.get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner.get("uid") or "")
    return ""


def _owner(kind: str, meta: Mapping[str, Any]) -> str:
    """Return the owner that counts for a kind. Every user may label a pod, and name the UID of a ReplicaSet there."""
    return _controller_uid(meta) if kind in _CONTROLLED else owner_uid(meta)


def _owns_replicas(meta: Mapping[str, Any], entry: Mapping[str, str]) -> bool:
    """Return whether an entry of managedFields that contains `entry` owns spec.replicas."""
    entries = (it for it in meta.get("managedFields") or () if entry.items() <= it.items())
    return any("f:replicas" in ((it.get("fieldsV1") or {}).get("f:spec") or {}) for it in entries)
