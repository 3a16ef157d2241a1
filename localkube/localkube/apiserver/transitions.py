"""From one state of an object to the next: what the server gives, keeps, takes back and counts."""

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

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, nor what looks like one: no words by accident
# Kept from the stored object whatever a client sends.
_SYSTEM = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")


def new_object(resource: Resource, namespace: str, obj: Object) -> Object:
    """The object with the metadata that the server gives a new one."""
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


def carry(resource: Resource, live: Record, new: Object, options: WriteOptions) -> Object:
    """The changed object with the identity of the stored one; ApiError 409, 422 where it claims another."""
    old_meta = live.object["metadata"]
    meta = dict(new["metadata"])
    expect(resource, live, meta, options)
    for name in _SYSTEM:
        if name in old_meta:
            meta[name] = old_meta[name]
        else:
            meta.pop(name, None)
    meta["resourceVersion"] = old_meta["resourceVersion"]
    return {**new, "metadata": meta}


def expect(resource: Resource, live: Record, claimed: Object, options: WriteOptions) -> None:
    """ApiError 409 where metadata claims another uid or resourceVersion than the stored object has; 422 in a patch."""
    name = live.key[1]
    version, uid = claimed.get("resourceVersion"), claimed.get("uid")
    if version and version != live.object["metadata"]["resourceVersion"]:
        raise status.conflict(resource.group, resource.plural, name)
    stored = live.object["metadata"]["uid"]
    if uid and uid != stored:
        if options.patch and options.subresource == "status" and resource.custom:
            return  # the status of a custom resource takes no metadata from a patch
        if options.patch:
            cause = Cause("FieldValueInvalid", f'Invalid value: "{uid}": field is immutable', "metadata.uid")
            # Told twice: by the general rules of metadata, and by those of the kind.
            raise status.invalid(resource.group, resource.kind, name, [cause, cause])
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored}"
        raise status.conflict(resource.group, resource.plural, name, why)


def settle(resource: Resource, old: Object, new: Object, subresource: str) -> Object:
    """What the (sub)resource may not change, put back; the generation counted."""
    if subresource == "status":
        meta = {**old["metadata"], "managedFields": new["metadata"].get("managedFields")}
        if not resource.custom and "annotations" in new["metadata"]:
            meta["annotations"] = new["metadata"]["annotations"]
        if not meta["managedFields"]:
            del meta["managedFields"]
        return {**old, "metadata": meta, "status": new["status"]} if "status" in new else {**old, "metadata": meta}
    if resource.status:
        new = {**new, "status": old["status"]} if "status" in old else {k: v for k, v in new.items() if k != "status"}
    if resource.generation and _moved(resource, old, new):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return new


def _moved(resource: Resource, old: Object, new: Object) -> bool:
    """Whether a change is one that `metadata.generation` counts."""
    if resource.custom or "spec" not in old:
        skipped = ("metadata", "status") if resource.status else ("metadata",)
        return any(old.get(k) != new.get(k) for k in {*old, *new} if k not in skipped)
    if old.get("spec") != new.get("spec"):
        return True
    annotated = resource.key == "deployments.apps"
    return annotated and old["metadata"].get("annotations") != new["metadata"].get("annotations")


def same(old: Object, new: Object) -> bool:
    """Whether a write changes nothing but, perhaps, the times in managedFields."""
    if old == new:
        return True
    before, after = old["metadata"], new["metadata"]
    if before.get("managedFields") == after.get("managedFields"):
        return False
    return _bare(old) == _bare(new) and _owners(before) == _owners(after)


def _bare(obj: Object) -> Object:
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}


def _owners(meta: Object) -> list[Object]:
    return [{k: v for k, v in entry.items() if k != "time"} for entry in meta.get("managedFields") or ()]
