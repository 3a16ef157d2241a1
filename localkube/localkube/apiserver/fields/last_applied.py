"""Support for objects of kubectl's client-side apply: server-side apply respects and updates their annotation."""

import json
from typing import Any, Final

from kubeschema.schema import Schema
from localkube.apiserver.fields.fieldset import FieldSet, difference
from localkube.apiserver.fields.typed import TypedError, compare, fields_of

Object = dict[str, Any]

KUBECTL: Final = "kubectl"
"""The only field manager to which this applies."""
_ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"


def _annotations(obj: Object) -> Object:
    return (obj.get("metadata") or {}).get("annotations") or {}


def allowed(schema: Schema, live: Object) -> FieldSet:
    """Fields that kubectl applied client-side and that have not changed since. To apply them is no conflict."""
    text = _annotations(live).get(_ANNOTATION)
    try:
        last = json.loads(text) if text else None
        fields = fields_of(schema, last) if isinstance(last, dict) else None
        if not fields:
            return {}
        changed, removed = compare(schema, last, live)
    except (ValueError, TypedError):  # users can write the annotation
        return {}
    return difference(difference(fields, changed or {}), removed or {})


def updated(result: Object, applied: Object) -> Object:
    """Update the annotation of the result, if it has one, with the applied configuration."""
    annotations = _annotations(result)
    if _ANNOTATION not in annotations:
        return result
    metadata = dict(applied.get("metadata") or {})
    kept = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != _ANNOTATION}
    if "annotations" in metadata:
        metadata["annotations"] = kept
    text = json.dumps({**applied, "metadata": metadata}, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    if annotations[_ANNOTATION] == text + "\n":
        return result
    noted = {**annotations, _ANNOTATION: text + "\n"}
    return {**result, "metadata": {**result["metadata"], "annotations": noted}}
