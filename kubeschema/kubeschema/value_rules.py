"""Validation of custom resources by their OpenAPI schema, in the wording of the API server."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from kubeschema.errors import Cause, duplicate, go_json, invalid, required, too_long, too_many
from kubeschema.number_rules import decoded, format_of, is_integer, is_number, number, out_of_range

Object = dict[str, Any]


_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": is_integer,
    "number": is_number,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}
_AT_ROOT: Final = frozenset({"apiVersion", "kind", "metadata"})
_ALTERNATIVES: Final = ("anyOf", "oneOf", "allOf", "not")


def validate_value(open_api_v3_schema: Object, obj: Object) -> list[Cause]:
    """Validate a custom resource without its metadata."""
    body = {key: value for key, value in obj.items() if key not in _AT_ROOT}
    return [*_check(open_api_v3_schema, body, ""), *_lists(open_api_v3_schema, body, "")]


def _check(schema: Object, value: Any, path: str) -> Iterator[Cause]:
    if value is None:
        if not schema.get("nullable") and schema.get("type"):
            yield _wrong_type(path, schema["type"], "null")
        return
    value = decoded(value)
    wrong = _type_error(schema, value, path)
    if wrong:
        yield wrong
    for name in _ALTERNATIVES:
        if name in schema:
            yield from _COMBINED[name](schema[name], value, path)
    outside = out_of_range(schema, value, path)
    if outside:
        yield outside
    yield from _not_in_enum(schema, value, path)
    yield from _limits(schema, value, path)


def _not_in_enum(schema: Object, value: Any, path: str) -> Iterator[Cause]:
    if "enum" in schema and value not in schema["enum"]:
        shown = ", ".join(go_json(item) for item in schema["enum"])
        message = f"Unsupported value: {go_json(value)}: supported values: {shown}"
        yield Cause("FieldValueNotSupported", message, path)


def _limits(schema: Object, value: Any, path: str) -> Iterator[Cause]:
    if isinstance(value, str):
        yield from _text(schema, value, path)
    elif isinstance(value, dict):
        yield from _members(schema, value, path)
    elif isinstance(value, list):
        yield from _items(schema, value, path)
    elif is_number(value):
        yield from number(schema, value, path)


def _type_error(schema: Object, value: Any, path: str) -> Cause | None:
    if schema.get("x-kubernetes-int-or-string"):
        fits = isinstance(value, int | str) and not isinstance(value, bool)
        return None if fits else _wrong_type(path, "integer,string", _type_name(value))
    wanted = schema.get("type")
    if not wanted or wanted not in _TYPES:
        return None
    if _TYPES[wanted](value):
        return None
    if wanted == "string" and "format" in schema and isinstance(value, list):
        return None  # the server takes it for a list of bytes
    if "format" in schema and not isinstance(value, str | list):
        return _wrong_type(path, schema["format"], format_of(value))
    return _wrong_type(path, wanted, _type_name(value))


def _type_name(value: Any) -> str:
    order = ("boolean", "string", "integer", "number", "object", "array")
    return next(name for name in order if _TYPES[name](value))


def _wrong_type(path: str, wanted: str, found: str) -> Cause:
    text = f'Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"'
    return Cause("FieldValueTypeInvalid", text, path or "<nil>")


def _text(schema: Object, value: str, path: str) -> Iterator[Cause]:
    """Check a string. Like the server, report only the first of length and pattern."""
    pattern = schema.get("pattern")
    if len(value) > schema.get("maxLength", len(value)):
        yield too_long(path, schema["maxLength"])
    elif len(value) < schema.get("minLength", 0):
        yield invalid(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    elif pattern and not _compiled(pattern).search(value):
        yield invalid(path, value, f"{path} in body should match '{pattern}'")
    if schema.get("format") in {"date-time", "date"} and not _is_date(value, schema["format"]):
        text = f"Invalid value: {go_json(value)}: {path} in body must be of type {schema['format']}: {go_json(value)}"
        yield Cause("FieldValueTypeInvalid", text, path)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern in Go's syntax, which differs from Python's in the end of the text."""
    try:
        return re.compile(pattern.replace("\\z", "\\Z"))
    except re.error:
        return re.compile("")  # Python does not support the pattern, for example \pL: do not check it


def _is_date(value: str, kind: str) -> bool:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return False
    return found.tzinfo is not None if kind == "date-time" else len(value) == len("2006-01-02")


def _members(schema: Object, value: Object, path: str) -> Iterator[Cause]:
    properties: Object = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    prefix = f"{path}." if path else ""
    if len(value) > schema.get("maxProperties", len(value)):
        yield too_many(path, len(value), schema["maxProperties"])
    if len(value) < schema.get("minProperties", 0):
        yield invalid(path, len(value), f"{path} in body should have at least {schema['minProperties']} properties")
    for name in schema.get("required") or ():
        if name not in value and (path or name not in _AT_ROOT):
            yield required(prefix + name)
    for name in sorted(value):
        child = properties.get(name) or (additional if isinstance(additional, dict) else None)
        if child is not None:
            yield from _check(child, value[name], prefix + name)


def _items(schema: Object, value: list[Any], path: str) -> Iterator[Cause]:
    if schema.get("uniqueItems") and len({go_json(item) for item in value}) < len(value):
        yield invalid(path, value, f"{path} in body shouldn't contain duplicates")
    child = schema.get("items")
    if isinstance(child, dict):
        for at, item in enumerate(value):
            yield from _check(child, item, f"{path}[{at}]")
    if len(value) > schema.get("maxItems", len(value)):
        yield too_many(path, len(value), schema["maxItems"])
    if len(value) < schema.get("minItems", 0):
        yield invalid(path, len(value), f"{path} in body should have at least {schema['minItems']} items")


def _none_of(path: str, message: str) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "": "{path}" {message}', "<nil>")


def _any_of(schemas: list[Object], value: Any, path: str) -> Iterator[Cause]:
    failures = [list(_check(schema, value, path)) for schema in schemas]
    if all(failures) and failures:
        yield _none_of(path, "must validate at least one schema (anyOf)")
        yield from failures[0]


def _one_of(schemas: list[Object], value: Any, path: str) -> Iterator[Cause]:
    failures = [list(_check(schema, value, path)) for schema in schemas]
    valid = sum(not found for found in failures)
    if valid == 0:
        yield _none_of(path, "must validate one and only one schema (oneOf). Found none valid")
        yield from failures[0] if failures else ()
    elif valid > 1:
        yield _none_of(path, f"must validate one and only one schema (oneOf). Found {valid} valid alternatives")


def _all_of(schemas: list[Object], value: Any, path: str) -> Iterator[Cause]:
    failures = [cause for schema in schemas for cause in _check(schema, value, path)]
    if failures:
        yield _none_of(path, "must validate all the schemas (allOf)")
        yield from failures


def _not(schema: Object, value: Any, path: str) -> Iterator[Cause]:
    if not list(_check(schema, value, path)):
        yield _none_of(path, "must not validate the schema (not)")


_COMBINED: Final[dict[str, Callable[[Any, Any, str], Iterator[Cause]]]] = {
    "anyOf": _any_of,
    "oneOf": _one_of,
    "allOf": _all_of,
    "not": _not,
}


def _lists(schema: Object, value: Any, path: str) -> Iterator[Cause]:
    """Duplicate items of sets and associative lists."""
    if isinstance(value, dict):
        properties: Object = schema.get("properties") or {}
        additional = schema.get("additionalProperties")
        for name in sorted(value):
            child = properties.get(name) or (additional if isinstance(additional, dict) else None)
            if child is not None:
                yield from _lists(child, value[name], f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield from _twice(schema, value, path)
        child = schema.get("items")
        if isinstance(child, dict):
            for at, item in enumerate(value):
                yield from _lists(child, item, f"{path}[{at}]")


def _twice(schema: Object, value: list[Any], path: str) -> Iterator[Cause]:
    kind = schema.get("x-kubernetes-list-type")
    if kind not in {"set", "map"}:
        return
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    seen: set[str] = set()
    for at, item in enumerate(value):
        if item is None:
            continue
        if kind == "map" and not isinstance(item, dict):
            yield invalid(f"{path}[{at}]", item, "must be an object for an array of list-type map")
            continue
        shown = {key: item[key] for key in keys if key in item} if kind == "map" else item
        text = go_json(shown)
        if text in seen:
            yield duplicate(f"{path}[{at}]", shown)
        seen.add(text)
