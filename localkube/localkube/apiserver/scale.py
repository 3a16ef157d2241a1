"""The scale subresource: converts between `autoscaling/v1` Scale and the fields of a resource."""

from typing import Any

from kubeschema.errors import Cause
from localkube.apiserver.resources import Resource, ScalePaths
from localkube.meta import status
from localkube.meta.status import Object

_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(resource: Resource, obj: Object) -> Object:
    """The Scale of an object. Raises ApiError 404, 500."""
    paths = _paths(resource)
    replicas = _dig(obj, paths.spec_replicas)
    if replicas is None:
        if resource.custom:
            raise status.internal(f'the spec replicas field ".{paths.spec_replicas}" does not exist')
        replicas = 0
    found: Object = {"replicas": _dig(obj, paths.status_replicas) or 0}
    selector = _selector(_dig(obj, paths.selector)) if paths.selector else ""
    if selector:
        found["selector"] = selector
    meta = obj["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {k: meta[k] for k in _KEPT if k in meta},
        "spec": {"replicas": replicas} if replicas else {},
        "status": found,
    }


def bare_scale(resource: Resource, obj: Object) -> Object:
    """The Scale of an object whose replicas may be unset, to which a patch is applied."""
    paths = _paths(resource)
    if _dig(obj, paths.spec_replicas) is None:
        obj = _put(obj, paths.spec_replicas.split("."), 0)
    return scale_of(resource, obj)


def with_replicas(resource: Resource, obj: Object, scale: Object) -> Object:
    """Set the replicas of a Scale in an object. Raises ApiError 400, 422."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise status.bad_request("json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32")
    if replicas < 0:
        message = f"Invalid value: {replicas}: must be greater than or equal to 0"
        cause = Cause("FieldValueInvalid", message, "spec.replicas")
        raise status.invalid("autoscaling", "Scale", obj["metadata"]["name"], [cause])
    return _put(obj, _paths(resource).spec_replicas.split("."), replicas)


def invalid_replicas(resource: Resource, obj: Object) -> list[Cause]:
    """Why a custom resource has no Scale: replicas are negative or not an integer."""
    found = []
    for path in (resource.scale.spec_replicas, resource.scale.status_replicas) if resource.scale else ():
        value = _dig(obj, path)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            kind = {bool: "bool", float: "float64", str: "string"}.get(type(value), "map[string]interface {}")
            message = f"Invalid value: 0: .{path} accessor error: {value} is of the type {kind}, expected int64"
            found.append(Cause("FieldValueInvalid", message, f".{path}"))
        elif value is not None and value < 0:
            found.append(
                Cause("FieldValueInvalid", f"Invalid value: {value}: should be a non-negative integer", f".{path}")
            )
    return found


def replicas_path(resource: Resource) -> Object:
    """The path of the replicas as a field set of managedFields."""
    found: Object = {}
    for part in reversed(_paths(resource).spec_replicas.split(".")):
        found = {f"f:{part}": found}
    return found


def _paths(resource: Resource) -> ScalePaths:
    if resource.scale is None:
        raise status.no_resource()
    return resource.scale


def _dig(obj: Any, path: str) -> Any:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def _put(obj: Object, path: list[str], value: Any) -> Object:
    inner = value if len(path) == 1 else _put(obj.get(path[0]) or {}, path[1:], value)
    return {**obj, path[0]: inner}


def _selector(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return ""
    parts = [f"{k}={v}" for k, v in sorted((value.get("matchLabels") or {}).items())]
    for term in value.get("matchExpressions") or ():
        values = ",".join(sorted(term.get("values") or ()))
        key = term["key"]
        words = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "DoesNotExist": f"!{key}"}
        parts.append(words.get(term["operator"], key))
    return ",".join(parts)
