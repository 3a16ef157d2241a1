"""Decodes objects like the Go decoders of an API server: drops unknown fields, fills structs, refuses wrong types."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from kubeschema.body import parse_json, parse_yaml
from kubeschema.errors import FieldsError, Gvk, bad_request
from kubeschema.scalars import READERS, WrongTypeError, wrong
from kubeschema.schema import Schema

__all__ = ["Decoded", "decode", "fill", "handled_error", "parse_json", "parse_yaml", "prune", "strict_error"]

Object = dict[str, Any]

_SCALAR: Final = Schema({"type": "object"}, go=False)
_ZERO: Final[dict[str, Any]] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "quantity": "0",
    "intOrString": 0,
}


class Decoded(NamedTuple):
    """The object, and the problems for strict field validation (`unknown field "spec.x"`)."""

    obj: Object
    problems: list[str]


class _Reader:
    """Decodes one object by its schema and collects unknown fields."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read(self, node: Schema, value: Any, path: str, owner: str) -> Any:
        kind = node.type
        if kind == "object":
            return self._object(node, value, path, owner)
        if kind == "map":
            if type(value) is not dict:
                raise wrong(node, value, path, owner)
            return {key: self._item(node.items, item, path, owner) for key, item in value.items()}
        if kind == "list":
            if type(value) is not list:
                raise wrong(node, value, path, owner)
            return [self._item(node.items, item, f"{path}[{at}]", owner) for at, item in enumerate(value)]
        return value if kind == "any" else READERS[kind](node, value, path, owner)

    def _item(self, node: Schema, value: Any, path: str, owner: str) -> Any:
        if value is None:
            return _ZERO.get(node.type, {} if node.type == "object" else None)
        return self.read(node, value, path, owner)

    def _object(self, node: Schema, value: Any, path: str, owner: str) -> Object:
        if type(value) is not dict:
            raise wrong(node, value, path, owner)
        owner, fields, out = node.type_name or owner, node.fields, {}
        for name, item in value.items():
            child = fields.get(name)
            here = f"{path}.{name}" if path else name
            if child is None:
                self.problems.append(f'unknown field "{here}"')
            elif item is not None:
                read = self.read(child, item, here, owner)
                if child.written or (read and child.type != "any") or not _omits(child, read):
                    out[name] = read
        return fill(node, out)


def _omits(node: Schema, value: Any) -> bool:
    """Whether Go's omitempty drops an empty value."""
    if node.type in {"map", "list"}:
        return not value
    return node.omitted and not value


def fill(node: Schema, out: Object) -> Object:
    """Add the fields that Go writes even if they are empty to `out`."""
    for name, child in node.always:
        if name not in out:
            if child.struct:
                out[name] = fill(child, {})
            else:
                out[name] = _ZERO.get(child.type)
    return out


def decode(schema: Schema, obj: Object, gvk: Gvk) -> Decoded:
    """Decode a built-in kind like its Go type: without unknown fields and empty values, with canonical quantities.

    Raises:
        FieldsError: 400, a value has the wrong type. `detail` is the message without the kind.
    """
    reader = _Reader()
    try:
        read = reader.read(schema, obj, "", gvk[2])
    except WrongTypeError as error:
        raise handled_error(gvk, str(error)) from error
    return Decoded(read, reader.problems)


def handled_error(gvk: Gvk, detail: str) -> FieldsError:
    """Return a 400 error: the body cannot be decoded as the kind."""
    _, version, kind = gvk
    message = f'{kind} in version "{version}" cannot be handled as a {kind}: {detail}'
    return FieldsError(400, "BadRequest", message, detail=detail)


def strict_error(gvk: Gvk, problems: Sequence[str]) -> FieldsError:
    """Return a 400 error for unknown and duplicate fields, which fieldValidation=Strict does not allow."""
    return handled_error(gvk, f"strict decoding error: {', '.join(problems)}")


def prune(schema: Schema, obj: Object) -> Decoded:
    """Drop the fields of a custom resource that its schema does not declare, and decode its metadata."""
    problems: list[str] = []
    out = _prune(schema, obj, "", problems)
    metadata = schema.child("metadata")
    given = obj.get("metadata")
    if metadata is not None and isinstance(given, dict):
        reader = _Reader()
        try:
            out = {**out, "metadata": reader.read(metadata, given, "metadata", "ObjectMeta")}
        except WrongTypeError as error:
            raise bad_request(f"Malformed object metadata: {error}") from error
        problems += reader.problems
    return Decoded(out, problems)


def _prune(node: Schema, value: Any, path: str, problems: list[str]) -> Any:
    if isinstance(value, list) and node.type == "list":
        items = [_prune(node.items, item, f"{path}[{at}]", problems) for at, item in enumerate(value)]
        return value if all(one is two for one, two in zip(items, value, strict=True)) else items
    if node.type == "any" or not isinstance(value, dict | list):
        return value
    if isinstance(value, list):
        return [_prune(_SCALAR, item, f"{path}[{at}]", problems) for at, item in enumerate(value)]
    if node.type not in {"object", "map"}:
        node = _SCALAR  # the server drops the content of an object in the place of another type
    out = {}
    changed = False
    for name, item in value.items():
        here = f"{path}.{name}" if path else name
        child = node.child(name)
        if child is None:
            problems.append(f'unknown field "{here}"')
            changed = True
            continue
        out[name] = item if child.go else _prune(child, item, here, problems)
        changed = changed or out[name] is not item
    return out if changed else value
