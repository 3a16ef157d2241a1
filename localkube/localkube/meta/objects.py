"""Functions on Kubernetes objects: keys, owners, timestamps and conditions."""

from collections.abc import Iterable
from datetime import UTC, datetime

from localkube.meta.status import Object

SERVICE_NAME_LABEL = "kubernetes.io/service-name"  # label of an EndpointSlice

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
    """Whether the object has a deletionTimestamp."""
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
    """Format Unix seconds as `metav1.Time`: RFC 3339 in whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix_seconds(stamp: str) -> float:
    """Parse RFC 3339 into Unix seconds."""
    return datetime.fromisoformat(stamp).timestamp()


def find_condition(conditions: Iterable[Object] | None, kind: str) -> Object | None:
    """The condition of a type; None if there is none."""
    return next((c for c in conditions or () if c["type"] == kind), None)


def is_true(conditions: Iterable[Object] | None, kind: str) -> bool:
    """Whether the condition of a type is True."""
    found = find_condition(conditions, kind)
    return found is not None and found["status"] == "True"


def with_condition(conditions: Iterable[Object] | None, new: Object) -> list[Object]:
    """Add `new` to the conditions, or replace the one of its type.

    lastTransitionTime changes only with the status. If nothing but times differ, the old condition is kept, so that the
    caller has nothing to write.
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
