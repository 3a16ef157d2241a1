"""CEL programs with the functions of Kubernetes, and the conversion of JSON values to CEL types."""

import ipaddress
import itertools
import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from kubeschema import quantity
from kubeschema.cel_library import cel, stdlib
from kubeschema.schema import Object

_RESERVED_WORDS = """
    true false null in as break const continue else for function if import let loop package namespace return var void
    while
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())
_NATIVE_NAMES = """
    size has all exists exists_one map filter int uint double string bytes timestamp duration contains startsWith
    endsWith matches type dyn max min optional.none optional.of optional.ofNonZeroValue orValue hasValue value or
    getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds getMilliseconds
"""
_NATIVE = frozenset(_NATIVE_NAMES.split())
_OPERATOR = re.compile(r"^[^A-Za-z]|^(_|@|!|-)")


def _is(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _url(text: str) -> str:
    parts = urlsplit(text)
    if not (parts.scheme or text.startswith("/")):
        raise ValueError(f"not an absolute URL or path: {text!r}")
    return text


def _compare(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


def _subnet(block: str, inner: str) -> bool:
    network = ipaddress.ip_network(block, strict=False)
    other = ipaddress.ip_network(inner, strict=False)
    return network.version == other.version and (
        int(network.network_address) <= int(other.network_address)
        and int(other.broadcast_address) <= int(network.broadcast_address)
    )


def _sorted(items: list[Any]) -> bool:
    return all(a <= b for a, b in itertools.pairwise(items))


def _find_all(text: str, pattern: str) -> list[str]:
    return [m.group(0) for m in re.finditer(pattern, text)]


def _find(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found.group(0) if found else ""


# A quantity is a double here: exact up to 2^53 units, which is more than any CPU or memory request.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "quantity": lambda text: float(quantity.parse(text)),
    "isQuantity": _is(quantity.parse),
    "isGreaterThan": lambda a, b: a > b,
    "isLessThan": lambda a, b: a < b,
    "compareTo": _compare,
    "asApproximateFloat": float,
    "asInteger": int,
    "isInteger": lambda a: float(a).is_integer(),
    "sign": lambda a: _compare(a, 0),
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "url": _url,
    "isURL": _is(_url),
    "getScheme": lambda text: urlsplit(text).scheme,
    "getHost": lambda text: urlsplit(text).netloc.rpartition("@")[2],
    "getHostname": lambda text: urlsplit(text).hostname or "",
    "getPort": lambda text: str(urlsplit(text).port or ""),
    "getEscapedPath": lambda text: urlsplit(text).path,
    "ip": lambda text: str(ipaddress.ip_address(text)),
    "isIP": _is(ipaddress.ip_address),
    "family": lambda text: ipaddress.ip_address(text).version,
    "isLoopback": lambda text: ipaddress.ip_address(text).is_loopback,
    "cidr": lambda text: str(ipaddress.ip_network(text, strict=False)),
    "isCIDR": _is(lambda text: ipaddress.ip_network(text, strict=False)),
    "containsIP": _subnet,
    "containsCIDR": _subnet,
    "prefixLength": lambda text: ipaddress.ip_network(text, strict=False).prefixlen,
    "isSorted": _sorted,
    "find": _find,
    "findAll": _find_all,
}


def known_functions() -> dict[str, Callable[..., Any]]:
    """Return the CEL functions that rules may call, by name: CEL's extended library, and those of Kubernetes."""
    context = cel.Context()
    stdlib.add_stdlib_to_context(context)
    return {**context.functions, **_FUNCTIONS}


class Program:
    """A compiled expression. Raises ValueError if it does not compile or calls an unknown function."""

    def __init__(self, expression: str, library: dict[str, Callable[..., Any]]) -> None:
        self.expression = expression
        self._program = cel.compile(expression)
        names = [n for n in self._program.functions() if not _OPERATOR.search(n)]
        unknown = [
            n for n in names if n not in library and n not in _NATIVE and n.partition(".")[0] not in ("sets", "math")
        ]
        if unknown:
            raise ValueError(f"ERROR: <input>:1:1: undeclared reference to '{unknown[0]}' (in container '')")
        namespaced = any(v in ("sets", "math", "strings", "base64", "lists") for v in self._program.variables())
        self._functions = library if namespaced else {n: library[n] for n in names if n in library}
        self.variables = frozenset(self._program.variables())

    def run(self, variables: dict[str, Any]) -> Any:
        """Evaluate the expression. Raises ValueError if that fails."""
        context = cel.Context(variables, self._functions) if self._functions else variables
        try:
            return self._program.execute(context)
        except (RuntimeError, KeyError, TypeError, IndexError, ArithmeticError) as error:
            raise ValueError(str(error)) from error


@lru_cache(maxsize=4096)
def escape(name: str) -> str:
    """Escape a property name as a CEL identifier; "" if that is impossible."""
    if name in _RESERVED:
        return f"__{name}__"
    out = name.replace("__", "__underscores__")
    for char, text in ((".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")):
        out = out.replace(char, text)
    return out if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", out) else ""


class Binder:
    """Converts JSON values to CEL values: escaped names, timestamps, durations, doubles. Others are unchanged.

    It remembers which nodes of a schema need that, by their identity: the schema must outlive it.
    """

    def __init__(self) -> None:
        self._known: dict[int, bool] = {}

    def bind(self, schema: Object, value: Any) -> Any:
        """Convert the value of a schema node."""
        if value is None or not self._is_needed(schema):
            return value
        if isinstance(value, dict):
            return self._object(schema, value)
        if isinstance(value, list):
            items = schema.get("items")
            return [self.bind(items, item) for item in value] if isinstance(items, dict) else value
        return _scalar(schema, value)

    def _is_needed(self, schema: Object) -> bool:
        key = id(schema)
        if key not in self._known:
            properties: Object = schema.get("properties") or {}
            below = [*properties.values(), schema.get("additionalProperties"), schema.get("items")]
            self._known[key] = (
                schema.get("type") == "number"
                or schema.get("format") in ("date-time", "duration")
                or any(escape(name) not in ("", name) for name in properties)
                or any(self._is_needed(inner) for inner in below if isinstance(inner, dict))
            )
        return self._known[key]

    def _object(self, schema: Object, value: Object) -> Object:
        properties: Object = schema.get("properties") or {}
        values = schema.get("additionalProperties")
        if isinstance(values, dict):
            return {name: self.bind(values, inner) for name, inner in value.items()}
        # CEL cannot express the names of some fields, such as `$patch`. Rules do not use them.
        return {
            escape(name) or name: self.bind(properties[name], inner) if name in properties else inner
            for name, inner in value.items()
        }


def _scalar(schema: Object, value: Any) -> Any:
    kind = schema.get("type")
    if kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind == "string" and isinstance(value, str):
        if schema.get("format") == "date-time":
            return _timestamp(value)
        if schema.get("format") == "duration":
            return cel.evaluate("duration(x)", {"x": value})
    return value


def _timestamp(value: str) -> datetime | str:
    """Return the time; the text if it is no time, which validation of the value reports."""
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value
