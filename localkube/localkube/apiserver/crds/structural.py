"""Checks that the schema of a CRD is structural, which pruning and defaulting require."""

from collections.abc import Iterator
from typing import Any

from kubeschema.errors import Cause
from localkube.meta.status import Object

_LOGICAL = ("anyOf", "oneOf", "allOf")
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = ("definitions", "dependencies", "deprecated", "discriminator", "id", "patternProperties", "readOnly")
_NOT_IN_LOGIC = ("type", "default", "nullable", "description", "title", "additionalProperties")


def check(schema: Object, path: str) -> list[Cause]:
    """The violations of the rules of structural schemas; `path` is the path of the schema in the CRD."""
    return list(_node(schema, path))


def _required(path: str, message: str) -> Cause:
    return Cause("FieldValueRequired", f"Required value: {message}", path)


def _forbidden(path: str, message: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {message}", path)


def _children(schema: Object, path: str) -> Iterator[tuple[Object, str, str]]:
    """(schema, path, place) of the child nodes; place is field, item or value."""
    for name, inner in (schema.get("properties") or {}).items():
        yield inner, f"{path}.properties[{name}]", "field"
    if isinstance(schema.get("items"), dict):
        yield schema["items"], f"{path}.items", "array items"
    if isinstance(schema.get("additionalProperties"), dict):
        yield schema["additionalProperties"], f"{path}.additionalProperties", "object fields"


def _node(schema: Object, path: str, place: str = "the root") -> Iterator[Cause]:
    dynamic = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    kind = schema.get("type", "")
    if not kind and not dynamic:
        yield _required(f"{path}.type", _no_type(place))
    elif kind and kind not in _TYPES:
        yield Cause("FieldValueNotSupported", _unsupported(kind), f"{path}.type")
    yield from _list_type(schema, path)
    yield from _forbidden_keywords(schema, path)
    yield from _in_logical_junctors(schema, path)
    for inner, at, where in _children(schema, path):
        yield from _node(inner, at, where)


def _forbidden_keywords(schema: Object, path: str) -> Iterator[Cause]:
    """Keywords that OpenAPI allows but a structural schema does not."""
    if schema.get("type") == "array" and not isinstance(schema.get("items"), dict):
        yield _required(f"{path}.items", "must be specified")
    if schema.get("properties") and schema.get("additionalProperties") not in (None, False):
        yield _forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    for name in _UNSUPPORTED:
        if schema.get(name):
            yield _forbidden(f"{path}.{name}", f"{name} is not supported")
    if schema.get("uniqueItems"):
        yield _forbidden(
            f"{path}.uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        )


def _no_type(place: str) -> str:
    if place == "the root":
        return "must not be empty at the root"
    return (
        "must not be empty for specified array items"
        if place == "array items"
        else "must not be empty for specified object fields"
    )


def _unsupported(kind: Any) -> str:
    return f'Unsupported value: "{kind}": supported values: ' + ", ".join(f'"{t}"' for t in _TYPES)


def _list_type(schema: Object, path: str) -> Iterator[Cause]:
    if schema.get("x-kubernetes-list-type") != "map":
        return
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if not keys:
        yield _required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
    items = schema.get("items") or {}
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            at = f"{path}.x-kubernetes-list-map-keys[{index}]"
            yield Cause(
                "FieldValueInvalid", f'Invalid value: "{key}": entries must all be names of item properties', at
            )
        elif key not in (items.get("required") or ()) and "default" not in properties[key]:
            message = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            )
            yield _required(f"{path}.items.properties[{key}].default", message)


def _in_logical_junctors(schema: Object, path: str) -> Iterator[Cause]:
    """Structural keywords in allOf, anyOf, oneOf and not, where they are forbidden."""
    parts = [(inner, f"{path}.{word}[{i}]") for word in _LOGICAL for i, inner in enumerate(schema.get(word) or ())]
    if isinstance(schema.get("not"), dict):
        parts.append((schema["not"], f"{path}.not"))
    typed = bool(schema.get("x-kubernetes-int-or-string"))
    for inner, at in parts:
        for name in _NOT_IN_LOGIC:
            if name in inner and not (typed and name == "type"):
                yield _forbidden(f"{at}.{name}", "must be empty to be structural")
        yield from _in_logical_junctors(inner, at)
