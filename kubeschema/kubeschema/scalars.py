"""Decodes scalars like Go's JSON decoder."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Final

from kubeschema import quantity
from kubeschema.schema import Schema

_JSON_NAMES: Final = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
_INDEX: Final = re.compile(r"\[[0-9]+\]")
"""Go names no list item in its complaint."""


class WrongTypeError(Exception):
    """Go's decoder refuses the value."""


def wrong(node: Schema, value: Any, path: str, owner: str) -> WrongTypeError:
    return WrongTypeError(
        f"json: cannot unmarshal {_JSON_NAMES.get(type(value), 'null')} into Go struct field "
        f"{owner}.{_INDEX.sub('', path)} of type {_go_type(node)}"
    )


def _go_type(node: Schema) -> str:
    if node.type == "list":
        return f"[]{_go_type(node.items)}"
    if node.type == "map":
        return f"map[string]{_go_type(node.items)}"
    if node.type == "object":
        return f"v1.{node.type_name}"
    names = {"boolean": "bool", "bytes": "[]uint8", "number": "float64", "integer": node.format or "int64"}
    return names.get(node.type, node.type)


def _string(node: Schema, value: Any, path: str, owner: str) -> Any:
    if type(value) is not str:
        raise wrong(node, value, path, owner)
    return value


def _integer(node: Schema, value: Any, path: str, owner: str) -> Any:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise wrong(node, value, path, owner)


def _number(node: Schema, value: Any, path: str, owner: str) -> Any:
    if type(value) not in {int, float}:
        raise wrong(node, value, path, owner)
    return value


def _boolean(node: Schema, value: Any, path: str, owner: str) -> Any:
    if type(value) is not bool:
        raise wrong(node, value, path, owner)
    return value


def _quantity(_node: Schema, value: Any, _path: str, _owner: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise WrongTypeError(quantity.PATTERN_MESSAGE)
    try:
        return quantity.canonical(value)
    except ValueError as error:
        raise WrongTypeError(str(error)) from error


def _int_or_string(_node: Schema, value: Any, _path: str, _owner: str) -> Any:
    if type(value) in {int, str}:
        return value
    name = _JSON_NAMES.get(type(value), "null")
    raise WrongTypeError(f"json: cannot unmarshal {name} into Go value of type int32")


def _bytes(node: Schema, value: Any, path: str, owner: str) -> Any:
    text = _string(node, value, path, owner)
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        bad = next((at for at, char in enumerate(text) if not (char.isalnum() or char in "+/")), len(text))
        raise WrongTypeError(f"illegal base64 data at input byte {bad}") from error
    return text


READERS: Final[dict[str, Callable[[Schema, Any, str, str], Any]]] = {
    "string": _string,
    "time": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "quantity": _quantity,
    "intOrString": _int_or_string,
    "bytes": _bytes,
}
