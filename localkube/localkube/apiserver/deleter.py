"""Deletes: preconditions, grace periods, finalizers and propagation policies."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from localkube import clock
from localkube.apiserver.options import DeleteOptions, Outcome
from localkube.apiserver.resources import Resource
from localkube.apiserver.storage.store import Record, Store
from localkube.meta import status
from localkube.meta.status import Object

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
CRDS = "customresourcedefinitions.apiextensions.k8s.io"
CRD_CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_POLICIES = {"Foreground": FOREGROUND, "Orphan": ORPHAN}
IMMORTAL = frozenset(("default", "kube-public", "kube-system"))  # namespaces that cannot be deleted
_POD_GRACE = 30


class Deleter:
    """Removes objects, or marks them as being deleted if they have finalizers or a grace period."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def delete(self, resource: Resource, record: Record, options: DeleteOptions) -> Outcome:
        """Delete an object. Raises ApiError 409 when a precondition does not hold."""
        _check(resource, record, options)
        if not options.propagation and resource.key == "jobs.batch":
            options = replace(options, propagation="Orphan")  # the pods of a Job stay unless a client says otherwise
        if resource.key == "namespaces" and record.key[1] in IMMORTAL:
            why = "this namespace may not be deleted"
            raise status.forbidden("", "namespaces", record.key[1], why)
        meta = record.object["metadata"]
        finalizers = _finalizers(resource, meta, options.propagation)
        grace = _grace(resource, record.object, options.grace)
        marked = "deletionTimestamp" in meta
        waits = bool(finalizers or grace or _has_content(resource, record.object))
        if not waits:
            return self._remove(resource, record, options)
        if marked and finalizers == meta.get("finalizers", []) and grace >= meta.get("deletionGracePeriodSeconds", 0):
            return Outcome(record.object, record)
        obj = _mark(record.object, finalizers, grace)
        if resource.key == "namespaces":
            obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
        if CRD_CLEANUP in finalizers and not marked:
            obj["status"] = _terminating(obj.get("status") or {})
        if options.dry_run:
            return Outcome(obj)
        stored = self._store.put(resource.key, record.key, obj, record)
        return Outcome(stored.object, stored)

    def _remove(self, resource: Resource, record: Record, options: DeleteOptions) -> Outcome:
        last = {**record.object, "metadata": dict(record.object["metadata"])}
        if options.dry_run:
            return Outcome(last, removed=True)
        return Outcome(self._store.drop(resource.key, record, last).object, removed=True)


def _check(resource: Resource, record: Record, options: DeleteOptions) -> None:
    meta = record.object["metadata"]
    name = meta["name"]
    again = "The object might have been deleted and then recreated"
    if options.uid and options.uid != meta["uid"]:
        why = f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta['uid']}). {again}"
        raise status.conflict(resource.group, resource.kind, name, why)
    if options.resource_version and options.resource_version != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the ResourceVersion "
            f"in record ({meta['resourceVersion']}). The object might have been modified"
        )
        raise status.conflict(resource.group, resource.kind, name, why)


def _finalizers(resource: Resource, meta: Object, propagation: str) -> list[str]:
    finalizers: list[str] = list(meta.get("finalizers") or ())
    if resource.key == CRDS and "deletionTimestamp" not in meta and CRD_CLEANUP not in finalizers:
        finalizers.append(CRD_CLEANUP)
    if propagation:
        finalizers = [f for f in finalizers if f not in (FOREGROUND, ORPHAN)]
    added = _POLICIES.get(propagation)
    return [*finalizers, added] if added else finalizers


def _grace(resource: Resource, obj: Object, requested: int | None) -> int:
    """The grace period in seconds of a pod on a node; 0 for other objects."""
    if resource.key != "pods":
        return 0
    spec: dict[str, Any] = obj.get("spec") or {}
    if not spec.get("nodeName") or (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if requested is not None:
        return max(requested, 0)
    return int(spec.get("terminationGracePeriodSeconds", _POD_GRACE))


def _has_content(resource: Resource, obj: Object) -> bool:
    """Whether a controller must empty the object first."""
    return resource.key == "namespaces" and bool((obj.get("spec") or {}).get("finalizers"))


def _mark(obj: Object, finalizers: list[str], grace: int) -> Object:
    meta = dict(obj["metadata"])
    if "deletionTimestamp" not in meta and "generation" in meta:
        meta["generation"] += 1
    meta["deletionTimestamp"] = clock.timestamp(clock.now() + timedelta(seconds=grace))
    if "deletionGracePeriodSeconds" in obj["metadata"] and not grace:
        meta["deletionTimestamp"] = obj["metadata"].get("deletionTimestamp", meta["deletionTimestamp"])
    meta["deletionGracePeriodSeconds"] = grace
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    return {**obj, "metadata": meta}


def _terminating(status: Object) -> Object:
    """The status of a CRD while its instances are being deleted."""
    condition = {
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": clock.timestamp(clock.now()),
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    }
    return {**status, "conditions": [*status.get("conditions", ()), condition]}
