"""`x-kubernetes-validations`: CEL rules, compiled once per schema and evaluated for each object."""

import json
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from kubeschema.cel_binding import Binder, Program, escape, known_functions
from kubeschema.errors import Cause
from kubeschema.schema import Object

_STRINGS = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_FIELD = re.compile(r"\b(?:self|oldSelf)\.([A-Za-z_]\w*)(?!\w*\s*\()")
_MISSING: Any = object()

Library = dict[str, Callable[..., Any]]


class Rule:
    """A rule of a schema node. Raises ValueError if it does not compile."""

    def __init__(self, rule: Object, library: Library) -> None:
        self._rule = rule
        self._program = Program(rule["rule"], library)
        self.transition = "oldSelf" in self._program.variables
        self.optional_old = bool(rule.get("optionalOldSelf"))
        expression = rule.get("messageExpression")
        self._message = Program(expression, library) if expression else None

    def check(self, path: str, value: Any, variables: dict[str, Any]) -> Cause | None:
        """Evaluate the rule; returns the cause if it is violated."""
        try:
            holds = self._program.run(variables)
        except ValueError as error:
            return Cause(
                "FieldValueInvalid", f"{_shown(value)}rule evaluation error: {error}", path.lstrip(".") or "<nil>"
            )
        if holds is True:
            return None
        reason = self._rule.get("reason", "FieldValueInvalid")
        at = (path + self._rule.get("fieldPath", "")).lstrip(".") or "<nil>"
        text = self._text(variables)
        if reason == "FieldValueRequired":
            return Cause(reason, f"Required value: {text}", at)
        if reason == "FieldValueForbidden":
            return Cause(reason, f"Forbidden: {text}", at)
        if reason == "FieldValueDuplicate":
            return Cause(reason, f"Duplicate value: {text}", at)
        shown = "" if self._rule.get("fieldPath") else _shown(value)
        return Cause(reason, f"Invalid value: {shown}{text}", at)

    def _text(self, variables: dict[str, Any]) -> str:
        if self._message is not None:
            try:
                text = self._message.run(variables)
            except ValueError:
                text = ""
            if isinstance(text, str) and text.strip() and "\n" not in text:
                return text
        return self._rule.get("message") or f"failed rule: {self._rule['rule']}"


def _shown(value: Any) -> str:
    return "" if isinstance(value, dict | list) else f"{json.dumps(value)}: "


class RuleTree:
    """The rules of a schema and its child schemas. `problems` are the rules that do not compile."""

    def __init__(self, schema: Object, library: Library | None = None, path: str = "") -> None:
        library = known_functions() if library is None else library
        self.problems: list[Cause] = []
        self._rules: list[Rule] = []
        self._schema = schema
        for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
            self._compile(schema, rule, library, f"{path}.x-kubernetes-validations[{index}]")
        self._properties = {
            name: RuleTree(inner, library, f"{path}.properties[{name}]")
            for name, inner in (schema.get("properties") or {}).items()
        }
        values, items = schema.get("additionalProperties"), schema.get("items")
        self._values = RuleTree(values, library, f"{path}.additionalProperties") if isinstance(values, dict) else None
        self._items = RuleTree(items, library, f"{path}.items") if isinstance(items, dict) else None
        keyed = schema.get("x-kubernetes-list-type") == "map"
        self._keys: list[str] = schema.get("x-kubernetes-list-map-keys", []) if keyed else []
        inner = [*self._properties.values(), *filter(None, (self._values, self._items))]
        self.problems += [p for tree in inner for p in tree.problems]
        self.empty: bool = not self._rules and all(tree.empty for tree in inner)

    @cached_property
    def _binder(self) -> Binder:
        # A binder traverses the whole schema below, so create one only for a node with rules.
        return Binder(self._schema)

    def _compile(self, schema: Object, rule: Object, library: Library, path: str) -> None:
        try:
            self._rules.append(Rule(rule, library))
        except ValueError as error:
            self.problems.append(Cause("FieldValueInvalid", _refused(rule, str(error)), f"{path}.rule"))
            return
        properties = schema.get("properties")
        if schema.get("type") != "object" or not properties or schema.get("x-kubernetes-preserve-unknown-fields"):
            return
        names = {escape(n) for n in properties} | {"metadata", "apiVersion", "kind"}
        for name in _FIELD.findall(_STRINGS.sub("''", rule["rule"])):
            if name not in names:
                text = _refused(rule, f"ERROR: <input>:1:1: undefined field '{name}'")
                self.problems.append(Cause("FieldValueInvalid", text, f"{path}.rule"))

    def check(self, value: Any, old: Any = _MISSING, path: str = "") -> list[Cause]:
        """Return a cause for each violated rule. `old` is the value before an update; omit it for a create."""
        if self.empty or value is None:
            return []
        causes = self._check_here(value, old, path) if self._rules else []
        if isinstance(value, dict):
            causes += self._check_object(value, old if isinstance(old, dict) else {}, path)
        elif isinstance(value, list) and self._items is not None and not self._items.empty:
            before = self._correlate(old)
            for index, item in enumerate(value):
                old_item = before.get(self._identity(item), _MISSING)
                causes += self._items.check(item, old_item, f"{path}[{index}]")
        return causes

    def _check_object(self, value: Object, old: Object, path: str) -> list[Cause]:
        causes: list[Cause] = []
        for name, inner in value.items():
            tree = self._properties.get(name)
            if tree is not None:
                causes += tree.check(inner, old.get(name, _MISSING), f"{path}.{name}")
            elif self._values is not None:
                causes += self._values.check(inner, old.get(name, _MISSING), f"{path}[{name}]")
        return causes

    def _check_here(self, value: Any, old: Any, path: str) -> list[Cause]:
        has_old = old is not _MISSING and old is not None
        causes: list[Cause] = []
        variables = {"self": self._binder.bind(value)}
        if has_old:
            variables["oldSelf"] = self._binder.bind(old)
        for rule in self._rules:
            if rule.transition and not has_old and not rule.optional_old:
                continue
            if not rule.transition and has_old and old == value:
                continue  # ratcheting: an unchanged value remains valid
            cause = rule.check(path, value, variables)
            if cause is not None:
                causes.append(cause)
        return causes

    def _identity(self, item: Any) -> str:
        if not self._keys or not isinstance(item, dict):
            return ""
        return json.dumps([item.get(k) for k in self._keys])

    def _correlate(self, old: Any) -> dict[str, Any]:
        if not self._keys or not isinstance(old, list):
            return {}
        return {self._identity(item): item for item in old}


def _refused(rule: Object, why: str) -> str:
    shown = {
        "Rule": rule.get("rule", ""),
        "Message": rule.get("message", ""),
        "MessageExpression": rule.get("messageExpression", ""),
        "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath", ""),
        "OptionalOldSelf": rule.get("optionalOldSelf"),
    }
    if why.startswith("Failed to parse"):
        why = why.partition(": ")[2].replace("\n|", "\n |")
    return f"Invalid value: {json.dumps(shown, separators=(',', ':'))}: compilation failed: {why}"
