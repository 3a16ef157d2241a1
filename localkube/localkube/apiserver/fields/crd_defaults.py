"""Defaults of custom resources from their structural schemas."""

import copy
from typing import Any

Object = dict[str, Any]


def default_crd(open_api_v3_schema: Object, obj: Object) -> Object:
    """Set the schema's defaults and drop nulls of non-nullable fields. Returns `obj` itself if nothing changes."""
    out: Object = _default(open_api_v3_schema, obj)
    return out


def _default(schema: Object, value: Any) -> Any:
    if isinstance(value, dict):
        return _default_map(schema, value)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        out = [_default(items, item) for item in value]
        return value if all(one is two for one, two in zip(out, value, strict=True)) else out
    return value


def _default_map(schema: Object, value: Object) -> Object:
    properties: Object = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    out = {}
    for name, item in value.items():
        child = properties.get(name) or (additional if isinstance(additional, dict) else None)
        if child is None:
            out[name] = item
        elif item is not None or child.get("nullable") or _open(child):
            out[name] = _default(child, item)
    for name, child in properties.items():
        if name not in out and "default" in child:
            out[name] = _default(child, copy.deepcopy(child["default"]))
    same = len(out) == len(value) and all(out.get(name) is item for name, item in value.items())
    return value if same else out


def _open(schema: Object) -> bool:
    """Whether the field accepts any value, including null."""
    return bool(schema.get("x-kubernetes-preserve-unknown-fields")) and not schema.get("type")
