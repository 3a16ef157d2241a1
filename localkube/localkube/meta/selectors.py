"""Label and field selectors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localkube.meta.status import Object, bad_request

_TOKEN = re.compile(r"\s*(?:(!=|==|=|!|,|\(|\)|>|<)|([^\s!=,()<>]+))")
_EMPTY: Mapping[str, str] = {}
_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of a label selector; `operator` is one of in, notin, exists, absent, gt, lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy the requirement."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value is not None and value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "absent":
                return value is None
        return value is not None and self._compare(value)

    def _compare(self, value: str) -> bool:
        try:
            left, right = int(value), int(next(iter(self.values)))
        except ValueError:
            return False
        return left > right if self.operator == "gt" else left < right


class LabelSelector:
    """A label selector: an object must satisfy every requirement."""

    def __init__(self, requirements: list[Requirement]) -> None:
        self.requirements = requirements

    @classmethod
    def parse(cls, text: str) -> "LabelSelector":
        """Parse `a=b,c in (d,e),!f`. Raises ApiError 400 on bad syntax."""
        return cls(_Parser(text).parse())

    @classmethod
    def equal(cls, labels: Mapping[str, str]) -> "LabelSelector":
        """The selector that requires these labels."""
        return cls([Requirement(k, "in", frozenset((v,))) for k, v in labels.items()])

    @classmethod
    def of(cls, selector: Object) -> "LabelSelector":
        """Convert a `metav1.LabelSelector`."""
        exact = cls.equal(selector.get("matchLabels") or {}).requirements
        terms = [
            Requirement(e["key"], _OPERATORS[e["operator"]], frozenset(e.get("values") or ()))
            for e in selector.get("matchExpressions") or ()
        ]
        return cls([*exact, *terms])

    def pairs(self) -> list[tuple[str, str]]:
        """The labels that must have one exact value. An index can look them up."""
        return [(r.key, next(iter(r.values))) for r in self.requirements if r.operator == "in" and len(r.values) == 1]

    def matches(self, obj: Object) -> bool:
        """Whether an object's labels satisfy every requirement."""
        labels = obj["metadata"].get("labels") or _EMPTY
        return all(r.matches(labels) for r in self.requirements)


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise bad_request(f"unable to parse requirement: {text[at:]!r}")
            self.tokens.append(("symbol", found[1]) if found[1] else ("word", found[2]))
            at = found.end()
        self.at = 0

    def _next(self) -> tuple[str, str]:
        token = self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")
        self.at += 1
        return token

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while self._peek()[0] != "end":
            found.append(self._requirement())
            kind, text = self._next()
            if kind != "end" and text != ",":
                raise bad_request(f"found '{text}', expected: ',' or 'end of string'")
        return found

    def _requirement(self) -> Requirement:
        kind, text = self._next()
        if (kind, text) == ("symbol", "!"):
            return Requirement(self._word("identifier"), "absent")
        if kind != "word":
            raise bad_request(f"found '{text}', expected: !, identifier, or 'end of string'")
        return self._operation(text)

    def _operation(self, key: str) -> Requirement:
        kind, text = self._peek()
        if kind == "end" or text == ",":
            return Requirement(key, "exists")
        self._next()
        match text:
            case "=" | "==":
                return Requirement(key, "in", frozenset((self._value(),)))
            case "!=":
                return Requirement(key, "notin", frozenset((self._value(),)))
            case ">" | "<":
                return Requirement(key, "gt" if text == ">" else "lt", frozenset((self._word("identifier"),)))
            case "in" | "notin":
                return Requirement(key, text, self._values())
        raise bad_request(f"found '{text}', expected: in, notin, =, ==, !=, gt, lt")

    def _word(self, expected: str) -> str:
        kind, text = self._next()
        if kind != "word":
            raise bad_request(f"found '{text}', expected: {expected}")
        return text

    def _value(self) -> str:
        if self._peek()[0] != "word":
            return ""
        return self._next()[1]

    def _values(self) -> frozenset[str]:
        if self._next()[1] != "(":
            raise bad_request("found '', expected: '('")
        values = set()
        while True:
            values.add(self._value())
            kind, text = self._next()
            if text == ")":
                return frozenset(values)
            if kind == "end" or text != ",":
                raise bad_request(f"found '{text}', expected: ',' or ')'")


_ALIASES: dict[str, Callable[[Object], str]] = {
    "source": lambda o: (o.get("source") or {}).get("component") or o.get("reportingComponent") or "",
    "reportingController": lambda o: _text(o.get("reportingComponent")),
    "status.successful": lambda o: str((o.get("status") or {}).get("succeeded", 0)),
    "spec.unschedulable": lambda o: _text((o.get("spec") or {}).get("unschedulable", False)),
    "spec.hostNetwork": lambda o: _text((o.get("spec") or {}).get("hostNetwork", False)),
    "status.replicas": lambda o: str((o.get("status") or {}).get("replicas", 0)),
}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class FieldSelector:
    """A parsed `fieldSelector` parameter: `metadata.name=a,status.phase!=Running`."""

    def __init__(self, terms: list[tuple[str, bool, str]]) -> None:
        self.terms = terms

    @classmethod
    def parse(cls, text: str, selectable: tuple[str, ...]) -> "FieldSelector":
        """Parse a field selector. Raises ApiError 400 for a field that the resource does not support as a selector."""
        known = ("metadata.name", "metadata.namespace", *selectable)
        terms = []
        for part in filter(None, text.split(",")):
            found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
            if not found:
                raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
            name, operator, value = found.groups()
            if name not in known:
                listed = ", ".join(f'"{k}"' for k in known)
                raise bad_request(f'"{name}" is not a known field selector: only {listed}')
            terms.append((name, operator != "!=", value))
        return cls(terms)

    def exact(self, name: str) -> str | None:
        """The value that the selector requires of a field; None if it requires none."""
        return next((v for n, equal, v in self.terms if equal and n == name), None)

    def matches(self, obj: Object) -> bool:
        """Whether an object's fields satisfy every requirement."""
        return all((_field(obj, name) == value) is equal for name, equal, value in self.terms)


def _field(obj: Object, path: str) -> str:
    if path in _ALIASES:
        return _ALIASES[path](obj)
    value: Any = obj
    for part in path.replace("regarding.", "involvedObject.").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return _text(value)
