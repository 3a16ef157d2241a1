"""Decodes the responses of the API server so that one hostile object does not affect the others.

The JSON parser rejects a text that is nested deeper than 200 levels or has invalid characters. It takes long for a text
that consists of brackets. An object that the parser rejects, or that has too many values, is read again without
metadata.managedFields. If that fails, too, a stub takes its place: the metadata that identifies the object, and the
reason in the field UNREADABLE.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from agent_operator.kube import json_scanner
from agent_operator.kube.stubs import IDENTITY_TEXTS, TOO_LARGE, stub

Object = dict[str, Any]

_TOO_DEEP = "the object is nested deeper than 200 levels"
_MALFORMED = "the object is not valid JSON"
_UNEXPECTED = "its metadata has unexpected types"
# Larger texts are searched in a thread, because the search of a megabyte takes up to a second.
_INLINE = 16 << 10
# The parser takes up to 0.3 µs for an object or a list, in which the event loop is blocked.
_MOST_VALUES = 150_000
# A larger field of the metadata is left out of a stub.
_LONGEST_FIELD = 64 << 10
_IDENTITY = frozenset({*IDENTITY_TEXTS, "generation", "labels", "ownerReferences", "finalizers"})
# Types of watch events that have an object of the watched kind.
CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})


class DecodeError(ValueError):
    """A response is not what the API server sends."""


class _TooManyValuesError(ValueError):
    """A text has more objects and lists than the parser may read at once."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list.

    Attributes:
        items: the objects, some of which may be stubs.
        version: resourceVersion of the list.
        token: continue token; empty on the last page.
    """

    items: list[Object]
    version: str
    token: str


def checked(obj: Any) -> Object | None:
    """Return the object, or a stub if its metadata has unexpected types; None if it has no name."""
    meta = obj.get("metadata") if isinstance(obj, dict) else None
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
        return None
    texts = (meta.get("namespace", ""), meta.get("uid", ""), meta.get("resourceVersion", ""))
    maps = (meta.get("labels"), meta.get("annotations"))
    if all(isinstance(it, str) for it in texts) and all(it is None or isinstance(it, dict) for it in maps):
        found: Object = obj
        return found
    return stub(meta, _UNEXPECTED)


def decode(payload: bytes) -> Object:
    """Decode one object. DecodeError if the payload is not an object of Kubernetes."""
    try:
        value: Object = from_json(payload)
    except ValueError as error:
        return _recover(payload, error)
    if not isinstance(value, dict):
        raise DecodeError("not a JSON object")
    return value


async def decode_page(payload: bytes) -> Page:
    """Decode a page of a list. DecodeError if the payload is not a list of Kubernetes."""
    try:
        page = _parse_small(payload)
    except ValueError:
        page = await _search(_split_page, payload)
    if not isinstance(page, dict):
        raise DecodeError("not a list of Kubernetes")
    meta = page.get("metadata") or {}
    items = [found for item in page.get("items") or () if (found := checked(item)) is not None]
    return Page(items, meta.get("resourceVersion") or "", meta.get("continue") or "")


async def decode_event(line: bytes, *, is_cut: bool = False) -> Object:
    """Decode a watch event. DecodeError if it is none, or if its object cannot be identified.

    Args:
        line: the event, or its start.
        is_cut: whether the line was too long, so that only its start is known.
    """
    if is_cut:
        event = await _search(_recover_cut_event, line)
    else:
        try:
            event = _parse_small(line)
        except ValueError:
            event = await _search(_recover_event, line)
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise DecodeError("not a watch event")
    if event.get("type") in CHANGES:
        obj = checked(event["object"])
        if obj is None:
            raise DecodeError("an event of an object without a name")
        event["object"] = obj
    return event


def _parse_small(text: bytes) -> Any:
    """Parse a text that cannot have too many values. Brackets in strings count, because that is quick to find out."""
    if text.count(b"[") + text.count(b"{") > _MOST_VALUES:
        raise _TooManyValuesError
    return from_json(text)


def _parse(text: bytes) -> Any:
    """Parse a text that does not have too many values."""
    if json_scanner.has_more_values(text, _MOST_VALUES):
        raise _TooManyValuesError
    return from_json(text)


async def _search(find: Callable[[bytes], Object], text: bytes) -> Object:
    return find(text) if len(text) <= _INLINE else await asyncio.to_thread(find, text)


def _split_page(payload: bytes) -> Object:
    page: Object = {"items": []}
    for key, (start, end) in json_scanner.members(payload):
        if key == b'"items"' and payload[start : start + 1] == b"[":
            spans = json_scanner.elements(payload, start)
            page["items"] = [_decode_item(payload[first:last]) for first, last in spans]
        elif key == b'"metadata"':
            page["metadata"] = from_json(payload[start:end])
    return page


def _decode_item(raw: bytes) -> Object:
    try:
        item: Object = _parse(raw)
    except ValueError as error:
        return _recover(raw, error)
    return item


def _recover(raw: bytes, error: ValueError) -> Object:
    """Decode an object without its managedFields, or return a stub. The error is that of the whole object."""
    start = json_scanner.member(raw, "metadata", "managedFields")
    if start is not None:
        try:
            found: Object = _parse(raw[:start] + b"[]" + raw[json_scanner.end_of(raw, start) :])
        except ValueError as other:
            error = other
        else:
            return found
    return stub(_metadata(raw), _reason(error))


def _reason(error: ValueError) -> str:
    if isinstance(error, _TooManyValuesError):
        return TOO_LARGE
    return _TOO_DEEP if "recursion" in str(error) else _MALFORMED


def _recover_event(line: bytes) -> Object:
    start = json_scanner.member(line, "object")
    if start is None:
        raise DecodeError("not a watch event")
    return {"type": _text(line, "type"), "object": _decode_item(line[start : json_scanner.end_of(line, start)])}


def _recover_cut_event(line: bytes) -> Object:
    return {"type": _text(line, "type"), "object": stub(_metadata(line, "object"), TOO_LARGE)}


def _text(raw: bytes, *path: str) -> Any:
    start = json_scanner.member(raw, *path)
    return None if start is None else from_json(raw[start : json_scanner.end_of(raw, start)])


def _metadata(raw: bytes, *path: str) -> Object:
    """Return the fields of the metadata that can be read. The text may be cut."""
    found: Object = {}
    with suppress(ValueError):
        start = json_scanner.member(raw, *path, "metadata")
        for key, (first, last) in json_scanner.members(raw, start) if start is not None else ():
            name = key[1:-1].decode(errors="replace")
            if name in _IDENTITY and last - first <= _LONGEST_FIELD:
                with suppress(ValueError):
                    found[name] = from_json(raw[first:last].decode(errors="replace"))
    return found
