"""Whether an object is a JSON Schema, as far as a mistake in it would be noticed too late.

The operator, which has no library for this, refuses a wrong schema while the user still looks; whoever validates with
it has one that knows the whole of draft 2020-12.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

MAX_DEPTH = 32
TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_ONE = frozenset({"additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAPS = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_COUNTS = frozenset({"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"})


def fault(schema: Any, path: str = "", depth: int = 0) -> str | None:
    """The first fault as `path: what is wrong`, or None; an empty path stands for the schema itself."""
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, dict):
        return f"{path}: must be a schema: an object, true or false"
    if depth > MAX_DEPTH:
        return f"{path}: is nested more than {MAX_DEPTH} deep"
    for key, value in schema.items():
        where = f"{path}.{key}" if path else key
        if told := _KEYWORDS.get(key, lambda _: None)(value):
            return f"{where}: {told}"
        for below, part in _below(key, value):
            if told := fault(part, f"{where}{below}", depth + 1):
                return told
    return None


def _below(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The schemas within a keyword's value, each with its path from there."""
    if key in _ONE:
        yield "", value
    elif key in _LISTS:
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
    elif key in _MAPS:
        yield from ((f".{name}", part) for name, part in value.items())


def _type(value: Any) -> str | None:
    names = value if isinstance(value, list) and value else [value]
    good = all(isinstance(name, str) and name in TYPES for name in names)
    return None if good else f"must be one or a list of {', '.join(TYPES)}"


def _required(value: Any) -> str | None:
    good = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return None if good else "must be a list of names of properties"


def _list(value: Any) -> str | None:
    return None if isinstance(value, list) and value else "must be a list with an entry"


def _map(value: Any) -> str | None:
    return None if isinstance(value, dict) else "must be an object"


def _patterns(value: Any) -> str | None:
    return _map(value) or next((told for name in value if (told := _pattern(name))), None)


def _count(value: Any) -> str | None:
    return None if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else "must be 0 or more"


def _pattern(value: Any) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(value)
    except (re.error, TypeError, OverflowError, RecursionError):
        return "must be a regular expression"
    return None


def _reference(value: Any) -> str | None:
    good = isinstance(value, str) and value.startswith("#")
    return None if good else "must begin with #: only what is within the schema can be referred to"


_KEYWORDS: dict[str, Callable[[Any], str | None]] = {
    **dict.fromkeys(_LISTS, _list),
    **dict.fromkeys(_MAPS, _map),
    **dict.fromkeys(_COUNTS, _count),
    "patternProperties": _patterns,
    "type": _type,
    "required": _required,
    "enum": _list,
    "pattern": _pattern,
    "$ref": _reference,
    "$dynamicRef": _reference,
}
