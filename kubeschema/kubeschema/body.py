"""Parses request bodies in JSON or YAML and finds duplicate fields, which strict validation reports."""

import json
from collections.abc import Callable
from json import JSONDecodeError
from typing import Any, Final, NamedTuple

import yaml

from kubeschema.errors import FieldsError
from kubeschema.go_yaml import Loader, key_text

_EXPECTED: Final = (
    ("Expecting property name", "looking for beginning of object key string"),
    ("Expecting ':'", "after object key"),
    ("Expecting ','", "after object key:value pair"),
    ("Expecting value", "looking for beginning of value"),
    ("Extra data", "after top-level value"),
)


class Parsed(NamedTuple):
    """The value, and a message for each duplicate field: `duplicate field "data.a"`."""

    value: Any
    problems: list[str]


class _WithDuplicates(dict[str, Any]):
    """An object with duplicate keys."""

    keys_twice: tuple[str, ...] = ()


def parse_json(body: bytes, kind: str = "") -> Parsed:
    """Parse JSON. Raises FieldsError 400 if it is malformed; the message names `kind`, the expected kind."""
    return _parse(lambda hook: json.loads(body, object_pairs_hook=hook), body, kind)


def parse_yaml(body: bytes, kind: str = "") -> Parsed:
    """Parse YAML, of which JSON is a subset. Raises FieldsError 400 if it is malformed."""
    if body.lstrip()[:1] in {b"{", b"["}:
        try:
            return parse_json(body)
        except FieldsError:
            pass  # it may be YAML in flow style

    def load(hook: Callable[[list[tuple[str, Any]]], Any]) -> Any:
        loader = Loader(body)
        return _construct(loader, loader.get_single_node(), hook)

    return _parse(load, body, kind)


def _parse(load: Callable[[Callable[[list[tuple[str, Any]]], Any]], Any], body: bytes, kind: str) -> Parsed:
    found: list[_WithDuplicates] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(items)
        if len(out) == len(items):
            return out
        twice = _WithDuplicates(out)
        names = [name for name, _ in items]
        twice.keys_twice = tuple(name for name in out if names.count(name) > 1)
        found.append(twice)
        return twice

    try:
        value = load(pairs)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise _malformed(error, body, kind) from error
    return Parsed(_plain(value), _twice(value, "")) if found else Parsed(value, [])


def _twice(value: Any, path: str) -> list[str]:
    if isinstance(value, list):
        return [text for at, item in enumerate(value) for text in _twice(item, f"{path}[{at}]")]
    if not isinstance(value, dict):
        return []
    prefix = f"{path}." if path else ""
    out = [f'duplicate field "{prefix}{name}"' for name in getattr(value, "keys_twice", ())]
    return out + [text for name, item in value.items() for text in _twice(item, prefix + name)]


def _plain(value: Any) -> Any:
    """Replace the marked objects with plain dicts."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _construct(loader: Loader, node: yaml.Node | None, hook: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    """Build plain data from a YAML tree, with string keys and resolved anchors and merge keys."""
    if node is None:
        return None
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, item, hook) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        pairs = ((key_text(loader.construct_object(key)), value) for key, value in node.value)
        return hook([(key, _construct(loader, value, hook)) for key, value in pairs])
    return loader.construct_object(node)


def _malformed(error: Exception, body: bytes, kind: str) -> FieldsError:
    text = body.decode("utf-8", "replace")
    detail = str(error)
    if isinstance(error, JSONDecodeError):
        what = next((go for python, go in _EXPECTED if error.msg.startswith(python)), error.msg)
        at = error.pos
        detail = f"invalid character '{text[at]}' {what}" if at < len(text) else "unexpected end of JSON input"
    message = f"couldn't get version/kind; json parse error: {detail} ({text[:100]})"
    if kind:
        message = f"the object provided is unrecognized (must be of type {kind}): {message}"
    return FieldsError(400, "BadRequest", message, detail=detail)
