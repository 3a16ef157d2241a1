"""Parse JSON that callers, models and stores send, within bounds."""

import json
from typing import Any

import orjson

# Values of a document. A parsed value takes 50 to 100 bytes, a hundred times its JSON.
MAX_VALUES = 400_000
# A document with fewer brackets than this cannot be nested more deeply than orjson can write.
_FEW_BRACKETS = 200


class InvalidJsonError(ValueError):
    """A document cannot be used. The message says why, and quotes nothing of it."""


def loads(document: bytes) -> Any:
    """Return the value of a document that orjson can also write again.

    Raises:
        InvalidJsonError: the document is not JSON, has too many values, or is nested too deeply.
    """
    brackets = _brackets(document)
    value = _parsed(document)
    try:
        if brackets > _FEW_BRACKETS:
            # orjson reads 1024 levels, but writes only 254.
            orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise InvalidJsonError("it is nested too deeply") from None
    return value


def loads_deep(document: bytes) -> Any:
    """Return the value of a document, which may be nested more deeply than orjson can write.

    Raises:
        InvalidJsonError: the document is not JSON, or has too many values.
    """
    _brackets(document)
    return _parsed(document)


def _parsed(document: bytes) -> Any:
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise InvalidJsonError(f"line {error.lineno} column {error.colno}") from None


def normalized(document: bytes) -> bytes:
    """Return a document that the json module of Python reads, but orjson may not, as JSON that orjson reads, too.

    NaN and Infinity become null, and half of a surrogate pair becomes a question mark.

    Raises:
        InvalidJsonError: the document is not JSON, has too many values, or is nested too deeply.
    """
    _brackets(document)
    try:
        value = json.loads(document, parse_constant=lambda _: None)
    except RecursionError:
        raise InvalidJsonError("it is nested too deeply") from None
    except ValueError:
        raise InvalidJsonError("it cannot be parsed") from None
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def _brackets(document: bytes) -> int:
    """Return the number of lists and objects.

    Raises:
        InvalidJsonError: the document has too many values.
    """
    brackets = document.count(b"[") + document.count(b"{")
    if len(document) > MAX_VALUES and brackets + document.count(b",") > MAX_VALUES:
        raise InvalidJsonError(f"it has more than {MAX_VALUES} values")
    return brackets
