"""Conversion between the served and the stored version of an object, such as Event events.k8s.io/v1 and core/v1."""

from localkube.apiserver.resources import Resource
from localkube.meta.status import Object

_EVENT_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "reportingComponent": "reportingController",
}
_EVENT_BACK = {v: k for k, v in _EVENT_NAMES.items()}


def stored(resource: Resource, version: str, obj: Object) -> Object:
    """Convert an object from a served version to the stored one."""
    if resource.stored_as == "events":
        obj = {_EVENT_BACK.get(k, k): v for k, v in obj.items()}
        return {**obj, "apiVersion": "v1"}
    if version == resource.storage_version:
        return obj
    return {**obj, "apiVersion": resource.api_version}


def served(resource: Resource, version: str, obj: Object) -> Object:
    """Convert a stored object to a served version."""
    if resource.stored_as == "events":
        obj = {_EVENT_NAMES.get(k, k): v for k, v in obj.items()}
        return {**obj, "apiVersion": resource.group_version(version)}
    if version == resource.storage_version:
        return obj
    return {**obj, "apiVersion": resource.group_version(version)}
