"""JSON patch, merge patch and strategic merge patch. Server-side apply is in `apiserver.fields.apply`."""

from collections.abc import Callable
from typing import Any

import jsonpatch
from jsonpointer import JsonPointerException

from kubeschema.errors import Cause, FieldsError
from localkube.apiserver.fields import merge, strategic
from localkube.apiserver.resources import Resource
from localkube.apiserver.strategy import Strategy
from localkube.meta import status
from localkube.meta.status import ApiError, Object

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
_MAX_OPERATIONS = 10_000


def check_type(media: str, resource: Resource) -> None:
    """Raise ApiError 415 if the resource does not support the patch type."""
    if media == STRATEGIC and resource.custom:
        raise status.unsupported_media((JSON, MERGE, APPLY))
    if media not in (JSON, MERGE, STRATEGIC, APPLY):
        raise status.unsupported_patch()


def change(media: str, patch: Any, strategy: Strategy) -> Callable[[Object], Object]:
    """Return a function that applies a patch to an object. Both functions raise ApiError 400, 422."""
    if media == JSON:
        return _json(patch)
    if not isinstance(patch, dict):
        raise status.bad_request("the patch must be a JSON object")
    if media == MERGE:
        return lambda obj: _object(merge.merge_patch(obj, patch))
    return _strategic(patch, strategy)


def _object(value: Any) -> Object:
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict):
        raise status.bad_request("the patch leaves no object")
    return value


def _json(patch: Any) -> Callable[[Object], Object]:
    if not isinstance(patch, list):
        raise status.bad_request("a JSON patch must be a list of operations")
    if len(patch) > _MAX_OPERATIONS:
        raise status.bad_request(f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}")

    def apply(obj: Object) -> Object:
        try:
            return _object(jsonpatch.apply_patch(obj, patch))
        except (jsonpatch.JsonPatchException, JsonPointerException, TypeError, KeyError) as error:
            raise status.rejected() from error

    return apply


def _refused(patch: Any, error: FieldsError) -> ApiError:
    """422: the result of a strategic merge patch cannot be decoded."""
    message = f'Invalid value: "{_go_map(patch)}": {error.detail}'
    return status.invalid("", "", "", [Cause("FieldValueInvalid", message, "patch")])


def _go_map(value: Any) -> str:
    """Format a value like Go's %v."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{_go_map(v)}" for k, v in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_go_map, value)) + "]"
    return "<nil>" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _strategic(patch: Object, strategy: Strategy) -> Callable[[Object], Object]:
    def apply(obj: Object) -> Object:
        try:
            merged = _object(strategic.strategic_merge(strategy.schema, obj, patch))
        except FieldsError as error:
            raise status.from_fields(error) from error
        try:
            strategy.decode(merged)
        except FieldsError as error:
            raise _refused(patch, error) from error
        return merged

    return apply
