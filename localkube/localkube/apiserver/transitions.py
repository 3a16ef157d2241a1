"""Metadata of new and changed objects: what the server sets, keeps and counts."""

import secrets
import uuid
from typing import Any

from kubeschema.errors import Cause
from localkube import clock
from localkube.apiserver.options import WriteOptions
from localkube.apiserver.resources import Resource
from localkube.apiserver.storage.store import Record
from localkube.meta import status
from localkube.meta.status import Object

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # as in apimachinery: without vowels, to avoid words
# A client cannot change these fields.
_SYSTEM = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")


def new_object(resource: Resource, namespace: str, obj: Object) -> Object:
    """Set the metadata of a new object: uid, creationTimestamp, generated name."""
    given = obj.get("metadata") or {}
    if not isinstance(given, dict):
        raise status.bad_request("metadata must be an object")
    meta: dict[str, Any] = {k: v for k, v in given.items() if k not in _SYSTEM and k != "resourceVersion"}
    if given.get("namespace", namespace) not in ("", namespace):
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if resource.namespaced:
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    if meta.get("generateName") and not meta.get("name"):
        meta["name"] = str(meta["generateName"])[:58] + "".join(secrets.choice(_SUFFIX) for _ in range(5))
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = clock.timestamp(clock.now())
    return {**obj, "metadata": meta}


def keep_system_metadata(resource: Resource, live: Record, new: Object, options: WriteOptions) -> Object:
    """Copy the system metadata of the stored object to the new one. Raises ApiError 409, 422 if preconditions fail."""
    old_meta = live.object["metadata"]
    meta = dict(new["metadata"])
    check_preconditions(resource, live, meta, options)
    for name in _SYSTEM:
        if name in old_meta:
            meta[name] = old_meta[name]
        else:
            meta.pop(name, None)
    meta["resourceVersion"] = old_meta["resourceVersion"]
    return {**new, "metadata": meta}


def check_preconditions(resource: Resource, live: Record, claimed: Object, options: WriteOptions) -> None:
    """Raise ApiError 409 if the uid or resourceVersion differs from the stored one, 422 if a patch changes the uid."""
    name = live.key[1]
    version, uid = claimed.get("resourceVersion"), claimed.get("uid")
    if version and version != live.object["metadata"]["resourceVersion"]:
        raise status.conflict(resource.group, resource.plural, name)
    stored = live.object["metadata"]["uid"]
    if uid and uid != stored:
        if options.patch and options.subresource == "status" and resource.custom:
            return  # the real server ignores the metadata in a patch of a custom resource's status
        if options.patch:
            cause = Cause("FieldValueInvalid", f'Invalid value: "{uid}": field is immutable', "metadata.uid")
            # The real server returns the cause twice: metadata and kind are validated separately.
            raise status.invalid(resource.group, resource.kind, name, [cause, cause])
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored}"
        raise status.conflict(resource.group, resource.plural, name, why)


def restrict_to_subresource(resource: Resource, old: Object, new: Object, subresource: str) -> Object:
    """Restore the fields that a write to the subresource cannot change, and increase the generation."""
    if subresource == "status":
        meta = {**old["metadata"], "managedFields": new["metadata"].get("managedFields")}
        if not resource.custom and "annotations" in new["metadata"]:
            meta["annotations"] = new["metadata"]["annotations"]
        if not meta["managedFields"]:
            del meta["managedFields"]
        return {**old, "metadata": meta, "status": new["status"]} if "status" in new else {**old, "metadata": meta}
    if resource.status:
        new = {**new, "status": old["status"]} if "status" in old else {k: v for k, v in new.items() if k != "status"}
    if resource.generation and _increases_generation(resource, old, new):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return new


def _increases_generation(resource: Resource, old: Object, new: Object) -> bool:
    """Whether a change increases `metadata.generation`."""
    if resource.custom or "spec" not in old:
        skipped = ("metadata", "status") if resource.status else ("metadata",)
        return any(old.get(k) != new.get(k) for k in {*old, *new} if k not in skipped)
    if old.get("spec") != new.get("spec"):
        return True
    annotated = resource.key == "deployments.apps"
    return annotated and old["metadata"].get("annotations") != new["metadata"].get("annotations")


def is_unchanged(old: Object, new: Object) -> bool:
    """Whether a write changes nothing, except for times in managedFields."""
    if old == new:
        return True
    before, after = old["metadata"], new["metadata"]
    if before.get("managedFields") == after.get("managedFields"):
        return False
    return _without_managed_fields(old) == _without_managed_fields(new) and _managers(before) == _managers(after)


def _without_managed_fields(obj: Object) -> Object:
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}


def _managers(meta: Object) -> list[Object]:
    return [{k: v for k, v in entry.items() if k != "time"} for entry in meta.get("managedFields") or ()]
