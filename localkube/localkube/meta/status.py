"""API errors as `metav1.Status`, in the wording of kube-apiserver."""

from collections.abc import Iterable, Sequence
from typing import Any

from kubeschema.errors import Cause, FieldsError

Object = dict[str, Any]

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
EXPIRED = "The provided continue parameter is too old to display a consistent list result."


class ApiError(Exception):
    """The API server answers a request with a `metav1.Status` of a failure."""

    def __init__(self, status: Object) -> None:
        super().__init__(status.get("message", ""))
        self.status = status

    @property
    def code(self) -> int:
        """The HTTP status code."""
        return int(self.status["code"])

    @property
    def reason(self) -> str:
        """The machine-readable reason; "" if there is none."""
        return str(self.status.get("reason", ""))


def make(code: int, reason: str, message: str, details: Object | None = None) -> Object:
    """A `metav1.Status` of a failure."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    if reason:
        status["reason"] = reason
    if details is not None:
        status["details"] = details
    status["code"] = code
    return status


def success(details: Object | None = None, code: int = 0) -> Object:
    """A `metav1.Status` of success, the answer to a delete."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details is not None:
        status["details"] = details
    if code:
        status["code"] = code
    return status


def details(group: str, kind: str, name: str = "") -> Object:
    """`metav1.StatusDetails` without empty fields."""
    return {k: v for k, v in (("name", name), ("group", group), ("kind", kind)) if v}


def qualified(kind: str, group: str) -> str:
    """`kind.group`, or the bare kind in the core group."""
    return f"{kind}.{group}" if group else kind


def not_found(group: str, plural: str, name: str) -> ApiError:
    """404: the object does not exist."""
    message = f'{qualified(plural, group)} "{name}" not found'
    return ApiError(make(404, "NotFound", message, details(group, plural, name)))


def no_resource() -> ApiError:
    """404: the group does not serve the resource."""
    return ApiError(make(404, "NotFound", "the server could not find the requested resource", {}))


def already_exists(group: str, plural: str, name: str, *, deleting: bool = False) -> ApiError:
    """409: an object of this name exists."""
    prefix = "object is being deleted: " if deleting else ""
    message = f'{prefix}{qualified(plural, group)} "{name}" already exists'
    return ApiError(make(409, "AlreadyExists", message, details(group, plural, name)))


def conflict(group: str, plural: str, name: str, why: str = MODIFIED) -> ApiError:
    """409: a precondition of a write does not hold."""
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return ApiError(make(409, "Conflict", message, details(group, plural, name)))


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: the object is invalid."""
    texts = list(dict.fromkeys(f"{c.field}: {c.message}" for c in causes))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = f'{qualified(kind, group)} "{name}" is invalid: {text}'
    found = {**details(group, kind, name), "causes": [c.to_json() for c in causes]}
    return ApiError(make(422, "Invalid", message, found))


def from_fields(error: FieldsError) -> ApiError:
    """Convert an error of the field functions."""
    found = {"causes": [c.to_json() for c in error.causes]} if error.causes else None
    return ApiError(make(error.code, error.reason, error.message, found))


def rejected() -> ApiError:
    """422: the JSON patch cannot be applied."""
    return ApiError(make(422, "Invalid", "the server rejected our request due to an error in our request", {}))


def bad_request(message: str) -> ApiError:
    """400: the request is malformed."""
    return ApiError(make(400, "BadRequest", message))


def forbidden(group: str, plural: str, name: str, why: str, extra: Object | None = None) -> ApiError:
    """403: for example a create in a terminating namespace."""
    subject = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
    found = {**details(group, plural, name), **(extra or {})}
    return ApiError(make(403, "Forbidden", f"{subject} is forbidden: {why}", found))


def unauthorized() -> ApiError:
    """401: the token is wrong."""
    return ApiError(make(401, "Unauthorized", "Unauthorized"))


def method_not_allowed() -> ApiError:
    """405: the resource does not support the HTTP method."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(make(405, "MethodNotAllowed", message, {}))


def not_acceptable(available: str) -> ApiError:
    """406: the server supports none of the requested media types."""
    message = f"406: Not Acceptable\n\nAvailable representations: {available}"
    return ApiError(make(406, "NotAcceptable", message, {}))


def unsupported_media(accepted: Iterable[str]) -> ApiError:
    """415: the server does not read this media type."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return ApiError(make(415, "UnsupportedMediaType", message))


def unsupported_patch() -> ApiError:
    """415: no resource accepts this patch type."""
    return ApiError(make(415, "UnsupportedMediaType", "415: Unsupported Media Type", {}))


def gone(message: str) -> ApiError:
    """410: the resourceVersion or continue token is older than the history."""
    return ApiError(make(410, "Expired", message))


def internal(message: str) -> ApiError:
    """500 with a cause: an error of the server."""
    found = {"causes": [{"message": message}]}
    return ApiError(make(500, "InternalError", f"Internal error occurred: {message}", found))


def plain_internal(message: str) -> ApiError:
    """500 without a reason: an error that is not a `metav1.Status`."""
    return ApiError(make(500, "", message))


def not_implemented(what: str) -> ApiError:
    """501: the local cluster does not support the request."""
    return ApiError(make(501, "NotImplemented", f"the local cluster does not implement {what}"))


def options_invalid(kind: str, field: str, reason: str, message: str) -> ApiError:
    """422: a query parameter is invalid; `kind` is CreateOptions, ListOptions and so on."""
    return invalid("meta.k8s.io", kind, "", [Cause(reason, message, field)])
