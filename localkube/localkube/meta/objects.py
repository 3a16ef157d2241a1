"""Reading Kubernetes objects: keys, owners, times and conditions."""

from collections.abc import Iterable
from datetime import UTC, datetime

from localkube.meta.status import Object

SERVICE_NAME_LABEL = "kubernetes.io/service-name"  # of an EndpointSlice

Key = tuple[str, str]  # namespace ("" when cluster-scoped), name


def key_of(obj: Object) -> Key:
    """The object's namespace and name."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def labels_of(obj: Object) -> dict[str, str]:
    """The object's labels; treat as read-only."""
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Object) -> dict[str, str]:
    """The object's annotations; treat as read-only."""
    return obj["metadata"].get("annotations") or {}


def is_deleting(obj: Object) -> bool:
    """Whether somebody has asked for the object's deletion."""
    return "deletionTimestamp" in obj["metadata"]


def controller_of(obj: Object) -> Object | None:
    """The ownerReference of the object's controller."""
    return next((r for r in obj["metadata"].get("ownerReferences") or () if r.get("controller")), None)


def owner_reference(owner: Object) -> Object:
    """An ownerReference that makes `owner` the controller."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def timestamp(seconds: float) -> str:
    """Unix seconds as RFC 3339 of whole seconds, as metav1.Time is written."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix_seconds(stamp: str) -> float:
    """RFC 3339 as Unix seconds."""
    return datetime.fromisoformat(stamp).timestamp()


def find_condition(conditions: Iterable[Object] | None, kind: str) -> Object | None:
    """The condition of this type."""
    return next((c for c in conditions or () if c["type"] == kind), None)


def is_true(conditions: Iterable[Object] | None, kind: str) -> bool:
    """Whether the condition of this type is True."""
    found = find_condition(conditions, kind)
    return found is not None and found["status"] == "True"


def with_condition(conditions: Iterable[Object] | None, new: Object) -> list[Object]:
    """The conditions with `new` in the place of its type's old one; the transition time stays where status does.

    A condition that says what it said before is left as it was, so that nothing is written for it.
    """
    found = list(conditions or ())
    for at, old in enumerate(found):
        if old["type"] != new["type"]:
            continue
        if all(old.get(k) == new.get(k) for k in ("status", "reason", "message", "observedGeneration")):
            return found
        if old["status"] == new["status"]:
            new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
        found[at] = new
        return found
    return [*found, new]
