"""What server-side apply does for kubectl's client-side apply: its annotation is honoured and kept up to date."""

import json
from typing import Any, Final

from kubeschema.schema import Schema
from localkube.apiserver.fields.fieldset import FieldSet, difference
from localkube.apiserver.fields.typed import TypedError, compare, fields_of

Object = dict[str, Any]

KUBECTL: Final = "kubectl"
"""The only manager for which this happens; any other name opts out."""
_ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"


def _annotations(obj: Object) -> Object:
    return (obj.get("metadata") or {}).get("annotations") or {}


def allowed(schema: Schema, live: Object) -> FieldSet:
    """Fields that kubectl applied client-side and that still hold: taking them over is no conflict."""
    text = _annotations(live).get(_ANNOTATION)
    try:
        last = json.loads(text) if text else None
        fields = fields_of(schema, last) if isinstance(last, dict) else None
        if not fields:
            return {}
        changed, removed = compare(schema, last, live)
    except (ValueError, TypedError):  # the annotation is anybody's to write
        return {}
    return difference(difference(fields, changed or {}), removed or {})


def updated(result: Object, applied: Object) -> Object:
    """The result with its annotation, if it has one, saying what was applied now."""
    annotations = _annotations(result)
    if _ANNOTATION not in annotations:
        return result
    metadata = dict(applied.get("metadata") or {})
    stated = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != _ANNOTATION}
    if "annotations" in metadata:
        metadata["annotations"] = stated
    text = json.dumps({**applied, "metadata": metadata}, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    if annotations[_ANNOTATION] == text + "\n":
        return result
    noted = {**annotations, _ANNOTATION: text + "\n"}
    return {**result, "metadata": {**result["metadata"], "annotations": noted}}
