"""Conversion between API versions: HorizontalPodAutoscaler v1 and v2, Event core/v1 and events.k8s.io/v1."""

from typing import Any

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
    if resource.key == "horizontalpodautoscalers.autoscaling" and version == "v1":
        obj = _autoscaler_v2(obj)
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
    if resource.key == "horizontalpodautoscalers.autoscaling":
        obj = _autoscaler_v1(obj)
    return {**obj, "apiVersion": resource.group_version(version)}


def _autoscaler_v2(obj: Object) -> Object:
    spec: dict[str, Any] = dict(obj.get("spec") or {})
    target = spec.pop("targetCPUUtilizationPercentage", None)
    if target is not None:
        spec["metrics"] = [_cpu({"target": {"type": "Utilization", "averageUtilization": target}})]
    status = dict(obj.get("status") or {})
    current = status.pop("currentCPUUtilizationPercentage", None)
    if current is not None:
        status["currentMetrics"] = [_cpu({"current": {"averageUtilization": current}})]
    return {**obj, "spec": spec, "status": status}


def _autoscaler_v1(obj: Object) -> Object:
    spec: dict[str, Any] = dict(obj.get("spec") or {})
    for metric in spec.pop("metrics", None) or ():
        resource = metric.get("resource") or {}
        if resource.get("name") == "cpu" and "averageUtilization" in (resource.get("target") or {}):
            spec["targetCPUUtilizationPercentage"] = resource["target"]["averageUtilization"]
    spec.pop("behavior", None)
    status = dict(obj.get("status") or {})
    status.pop("conditions", None)
    for metric in status.pop("currentMetrics", None) or ():
        resource = metric.get("resource") or {}
        if resource.get("name") == "cpu" and "averageUtilization" in (resource.get("current") or {}):
            status["currentCPUUtilizationPercentage"] = resource["current"]["averageUtilization"]
    status.setdefault("currentReplicas", 0)
    return {**obj, "spec": spec, "status": status}


def _cpu(more: Object) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", **more}}
