"""Errors: metav1.Status causes, and an exception that has them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
Gvk = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Cause:
    """A metav1.StatusCause. `reason` is e.g. FieldValueInvalid, `field` a path like `spec.ports[0].name`."""

    reason: str
    message: str
    field: str = ""

    def to_json(self) -> Object:
        out = {"reason": self.reason, "message": self.message}
        return {**out, "field": self.field} if self.field else out


class FieldsError(Exception):
    """The API server refuses the object. `code` is the HTTP status, `reason` a metav1.StatusReason or "".

    `detail` is the part of the message that describes the fault. The error of a patch quotes it, and not the rest of
    the message, which describes the request.
    """

    def __init__(self, code: int, reason: str, message: str, causes: Sequence[Cause] = (), *, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = tuple(causes)
        self.detail = detail or message


def go_json(value: Any) -> str:
    """Encode like Go's encoding/json: compact, with sorted keys."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def invalid(field: str, value: Any, message: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {go_json(value)}: {message}", field)


def required(field: str, message: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {message}" if message else "Required value", field)


def forbidden(field: str, message: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {message}", field)


def duplicate(field: str, value: Any) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {go_json(value)}", field)


def not_supported(field: str, value: Any, supported: Iterable[Any]) -> Cause:
    names = ", ".join(go_json(name) for name in sorted(supported))
    return Cause("FieldValueNotSupported", f"Unsupported value: {go_json(value)}: supported values: {names}", field)


def too_long(field: str, limit: int) -> Cause:
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", field)


def too_many(field: str, count: int, limit: int) -> Cause:
    return Cause("FieldValueTooMany", f"Too many: {count}: must have at most {limit} items", field)


def not_found(field: str, value: Any) -> Cause:
    return Cause("FieldValueNotFound", f"Not found: {go_json(value)}", field)


def bad_request(message: str) -> FieldsError:
    return FieldsError(400, "BadRequest", message)
