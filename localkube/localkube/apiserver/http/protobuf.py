"""Decodes protobuf request bodies, which typed Go clients such as `kubectl create` send for built-in kinds.

`protobuf.txt` maps field numbers to JSON names; the schemas of the kinds define the types. Answers are JSON, which
these clients accept.
"""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

from kubeschema import schema
from kubeschema.schema import Schema
from localkube.meta import status
from localkube.meta.status import Object

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_PACKAGES = ("io.k8s.apimachinery.pkg.apis.", "io.k8s.api.")

Fields = list[tuple[int, int | bytes]]


class _Field(NamedTuple):
    name: str
    inline: str  # the message type whose fields are fields of the parent in JSON


@lru_cache(maxsize=1)
def _types() -> dict[str, dict[int, _Field]]:
    text = (resources.files(__package__) / "protobuf.txt").read_text("utf-8")
    found: dict[str, dict[int, _Field]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, *fields = line.split(" ")
        found[name] = {}
        for field in fields:
            json_name, _, rest = field.partition("=")
            number, _, inline = rest.partition(">")
            found[name][int(number)] = _Field(json_name, inline)
    return found


def decode(body: bytes) -> Object:
    """Decode a protobuf body. Raises ApiError 400 if it is malformed, 501 if `protobuf.txt` lacks its kind."""
    if not body.startswith(_MAGIC):
        raise status.bad_request(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        envelope = dict(_read(body[len(_MAGIC) :]))
        meta = {number: _text(value) for number, value in _read(_raw(envelope.get(1, b"")))}
        api_version, kind = meta.get(1, ""), meta.get(2, "")
        group, _, version = api_version.rpartition("/")
        node = schema.builtin(group, version, kind)
        if node is None or _type_name(node) not in _types():
            raise status.not_implemented(f"protobuf bodies of {api_version} {kind}; send JSON")
        obj = _message(_read(_raw(envelope.get(2, b""))), node, _type_name(node))
    except (IndexError, ValueError, TypeError) as error:
        raise status.bad_request(f"the protobuf message cannot be read: {error}") from error
    return {"apiVersion": api_version, "kind": kind, **obj}


def _read(data: bytes) -> Fields:
    """The fields of a message as (number, value), in order."""
    return list(_fields(data))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif wire == _BYTES:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("unexpected EOF")
            yield number, data[at : at + length]
            at += length
        elif wire in (_FIXED32, _FIXED64):
            width = 4 if wire == _FIXED32 else 8
            yield number, data[at : at + width]
            at += width
        else:
            raise ValueError(f"illegal wireType {wire}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the wire format's continuation bit
            return value, at
        shift += 7


def _raw(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("a message was expected")
    return value


def _text(value: int | bytes) -> str:
    return _raw(value).decode()


def _signed(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise TypeError("a number was expected")
    return value - (1 << 64) if value >> 63 else value


def _type_name(node: Schema) -> str:
    for package in _PACKAGES:
        if node.ref.startswith(package):
            return node.ref.removeprefix(package)
    return node.ref


def _message(fields: Fields, node: Schema, type_name: str) -> Object:
    known = _types().get(type_name, {})
    out: Object = {}
    for number, value in fields:
        field = known.get(number)
        if field is None:
            continue  # ignore a field of a newer version, like an unknown JSON field
        if field.inline:
            out.update(_message(_read(_raw(value)), node, field.inline))
            continue
        child = node.child(field.name)
        if child is None:
            continue
        if child.type == "list":
            out.setdefault(field.name, []).append(_value(value, child.items))
        elif child.type == "map":
            key, inner = _entry(value, child)
            out.setdefault(field.name, {})[key] = inner
        else:
            found = _value(value, child)
            if found not in (None, ""):
                out[field.name] = found
    return out


def _entry(value: int | bytes, node: Schema) -> tuple[str, Any]:
    parts = dict(_read(_raw(value)))
    if node.items.type == "list":  # a list is a message with one repeated field
        inner: Any = [_value(v, node.items.items) for _, v in _read(_raw(parts.get(2, b"")))]
    else:
        inner = _value(parts.get(2, b""), node.items)
    return _text(parts.get(1, b"")), inner


def _value(value: int | bytes, node: Schema) -> Any:
    read = _READERS.get(node.type)
    if read is None:
        raise status.not_implemented(f"protobuf values of type {node.type}; send JSON")
    return read(value, node)


def _int_or_string(parts: dict[int, int | bytes]) -> int | str:
    return _text(parts.get(3, b"")) if parts.get(1) else _signed(parts.get(2, 0))


def _time(parts: dict[int, int | bytes], node: Schema) -> str | None:
    if not parts:
        return None
    moment = datetime.fromtimestamp(_signed(parts.get(1, 0)), UTC)
    if node.ref.endswith("MicroTime"):
        return moment.replace(microsecond=_signed(parts.get(2, 0)) // 1000).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_READERS: dict[str, Callable[[int | bytes, Schema], Any]] = {
    "string": lambda value, _: _text(value),
    "integer": lambda value, _: _signed(value),
    "boolean": lambda value, _: bool(value),
    "bytes": lambda value, _: base64.b64encode(_raw(value)).decode(),
    "quantity": lambda value, _: _text(dict(_read(_raw(value))).get(1, b"")),
    "intOrString": lambda value, _: _int_or_string(dict(_read(_raw(value)))),
    "time": lambda value, node: _time(dict(_read(_raw(value))), node),
    "object": lambda value, node: _message(_read(_raw(value)), node, _type_name(node)),
}
