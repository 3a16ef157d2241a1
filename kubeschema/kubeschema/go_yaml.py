"""Reads YAML as kubectl and the API server do: go-yaml with the rules of YAML 1.1 and some of 1.2, and then as JSON.

`y` and `on` are booleans, `1e3` and `0o17` are integers, `12:30` and `2024-10-01` are strings. Keys are strings.
"""

import math
import re
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader as _Base
else:
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_YAML: Final = "tag:yaml.org,2002:"
_NUMBER: Final = "!number"
_TRUE: Final = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE: Final = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_NULL: Final = frozenset(("", "~", "null", "Null", "NULL"))
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INTEGER: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASES: Final = {"x": 16, "o": 8, "b": 2}
_LARGEST: Final = 2**63
# Longer texts are no integers of 64 bits. Python would convert them in quadratic time.
_MAX_DIGITS: Final = 80


def number(text: str) -> int | float | str:
    """Return the value of a plain scalar that starts with a digit, a sign or a dot; the text if it is no number.

    Raises:
        ValueError: infinity or not a number, which JSON does not have.
    """
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is no number of JSON: write another value")
    plain = text if text.startswith(".") else text.replace("_", "")
    if _INTEGER.fullmatch(plain) and len(plain) <= _MAX_DIGITS:
        value = _integer(plain)
        return value if -_LARGEST <= value < _LARGEST else float(value)
    if not _FLOAT.fullmatch(plain):
        return text
    value_or_inf = float(plain)
    if math.isinf(value_or_inf):
        return text
    whole = value_or_inf.is_integer() and -_LARGEST <= value_or_inf < _LARGEST
    return int(value_or_inf) if whole else value_or_inf


def _integer(text: str) -> int:
    sign, digits = (-1 if text[0] == "-" else 1), text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0":
        base = _BASES.get(digits[1].lower())
        return sign * (int(digits[2:], base) if base else int(digits, 8))
    return sign * int(digits)


def plain_value(text: str) -> Any:
    """Return the value of a plain scalar. Raises ValueError as `number`."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text in _NULL:
        return None
    return number(text) if text[0] in "+-.0123456789" else text


def is_string(text: str) -> bool:
    """Return whether a plain scalar is a string for every reader, so that it needs no quotes."""
    if _FLOAT.fullmatch(text):
        return False  # beyond the range of a float, kubectl reads a string
    try:
        return isinstance(plain_value(text), str)
    except ValueError:
        return False


def key_text(key: Any) -> str:
    """Return the key of a map, which is a string in JSON. Raises ValueError for null or a collection."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int | float):
        return str(key)
    raise ValueError("a key must be a string")


class Loader(_Base):
    """A loader of PyYAML with the rules of kubectl."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a map with strings as keys. As keys of a dict, 1 and true would be the same."""
        self.flatten_mapping(node)
        try:
            return {
                key_text(self.construct_object(key, deep=True)): self.construct_object(value, deep=deep)
                for key, value in node.value
            }
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error

    def construct_plain(self, node: yaml.ScalarNode) -> Any:
        """Build the value of a scalar that has a resolved tag."""
        try:
            return plain_value(node.value)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """Build a string, also of a date."""
        return str(node.value)

    def construct_binary(self, node: yaml.ScalarNode) -> str:
        """Build the string that base64 encodes."""
        content: bytes = self.construct_yaml_binary(node)
        return content.decode("utf-8", "replace")


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {
        first: [(_NUMBER, re.compile(".*", re.DOTALL))] for first in "+-.0123456789"
    }
    for tag, words in (("bool", _TRUE | _FALSE), ("null", _NULL), ("merge", frozenset(("<<",)))):
        exact = re.compile(rf"(?:{'|'.join(map(re.escape, sorted(words)))})\Z")
        for first in {word[:1] for word in words}:
            found.setdefault(first, []).append((_YAML + tag, exact))
    return found


Loader.yaml_implicit_resolvers = _resolvers()
for _tag in (_NUMBER, *(_YAML + name for name in ("bool", "null", "int", "float"))):
    Loader.add_constructor(_tag, Loader.construct_plain)
Loader.add_constructor(_YAML + "timestamp", Loader.construct_text)
Loader.add_constructor(_YAML + "binary", Loader.construct_binary)
