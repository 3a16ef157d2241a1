"""Finds the parts of a JSON text that the JSON parser rejects, without recursion. Pure.

The parser rejects a whole list because of one item that is nested too deep. The operator then uses these functions to
read the other items. They accept any bytes: on malformed JSON they raise ValueError or end early.
"""

import re
from collections.abc import Iterator

# Possessive quantifiers keep the regular expressions linear.
_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING = re.compile(_TEXT, re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]}]++")
# Up to the next bracket that is not in a string.
_BRACKET = re.compile(rb'(?:[^\[\]{}"]++|' + _TEXT + rb")*+([\[\]{}])", re.DOTALL)
_BLANK = re.compile(rb"[\s,:]*+")
_OPENING = b"[{"
_WINDOW = 64 << 10

# Start and end of a value in a text.
Span = tuple[int, int]


def members(text: bytes, start: int = 0) -> Iterator[tuple[bytes, Span]]:
    """Yield key and value of each member of the object at `start`. A key has its quotes."""
    at = _open_object(text, start)
    while text[at : at + 1] != b"}":
        key, value = _key(text, at)
        end = end_of(text, value)
        yield key, (value, end)
        at = _skip_blank(text, end)


def elements(text: bytes, start: int = 0) -> Iterator[Span]:
    """Yield the elements of the array at `start`."""
    at = _skip_blank(text, start)
    if text[at : at + 1] != b"[":
        raise ValueError("not a JSON array")
    at = _skip_blank(text, at + 1)
    while text[at : at + 1] != b"]":
        end = end_of(text, at)
        yield at, end
        at = _skip_blank(text, end)


def member(text: bytes, *path: str, start: int = 0) -> int | None:
    """Return the start of the value at a path of keys; None if it does not exist. What follows it is not read."""
    at = start
    for name in path:
        quoted = f'"{name}"'.encode()
        at = _open_object(text, at)
        while text[at : at + 1] != b"}":
            key, value = _key(text, at)
            if key == quoted:
                at = value
                break
            at = _skip_blank(text, end_of(text, value))
        else:
            return None
    return at


def has_more_values(text: bytes, limit: int) -> bool:
    """Return whether a text has more objects and lists than the limit. Brackets in strings do not count."""
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    # Without escaped characters, each quotation mark begins or ends a string.
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    values, in_string = 0, 0
    # Windows bound the memory of the parts.
    for start in range(0, len(plain), _WINDOW):
        parts = plain[start : start + _WINDOW].split(b'"')
        outside = b"".join(parts[in_string::2])
        values += outside.count(b"[") + outside.count(b"{")
        if values > limit:
            return True
        in_string ^= (len(parts) - 1) & 1
    return False


def _open_object(text: bytes, start: int) -> int:
    at = _skip_blank(text, start)
    if text[at : at + 1] != b"{":
        raise ValueError("not a JSON object")
    return _skip_blank(text, at + 1)


def _key(text: bytes, at: int) -> tuple[bytes, int]:
    """Return the key at this position, and the start of its value."""
    end = end_of(text, at)
    return text[at:end], _skip_blank(text, end)


def _skip_blank(text: bytes, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def end_of(text: bytes, at: int) -> int:
    """Return the end of the value at this position."""
    if text[at : at + 1] and text[at : at + 1] in _OPENING:
        return _end_of_brackets(text, at)
    found = (_STRING if text[at : at + 1] == b'"' else _SCALAR).match(text, at)
    if found is None:
        raise ValueError(f"malformed JSON at byte {at}")
    return found.end()


def _end_of_brackets(text: bytes, at: int) -> int:
    depth, match, end = 1, _BRACKET.match, at + 1
    while depth:
        found = match(text, end)
        if found is None:
            raise ValueError("the JSON text ends too early")
        end = found.end()
        depth += 1 if found[1] in _OPENING else -1
    return end
