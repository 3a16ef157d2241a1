"""`x-kubernetes-validations`: CEL rules, compiled once per schema and evaluated for each object."""

import json
import re
from collections.abc import Callable, Iterator
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
    """The rules of a schema and its child schemas, which are compiled when the first value needs them."""

    def __init__(
        self, schema: Object, library: Library | None = None, path: str = "", binder: Binder | None = None
    ) -> None:
        self._schema = schema
        self._library = known_functions() if library is None else library
        self._binder = binder or Binder()
        self._path = path
        self._own_problems: list[Cause] = []
        self._declared: Object = schema.get("properties") or {}
        self._properties: dict[str, RuleTree] = {}
        keyed = schema.get("x-kubernetes-list-type") == "map"
        self._keys: list[str] = schema.get("x-kubernetes-list-map-keys", []) if keyed else []

    @cached_property
    def empty(self) -> bool:
        """Whether the schema has no rules."""
        return not _has_rules(self._schema)

    @property
    def problems(self) -> list[Cause]:
        """The rules of the whole schema that do not compile."""
        _ = self._rules  # compiles them
        found = list(self._own_problems)
        for name in self._declared:
            found += self._property(name).problems
        for child in (self._values, self._items):
            found += child.problems if child is not None else ()
        return found

    @cached_property
    def _rules(self) -> list[Rule]:
        rules: list[Rule] = []
        for index, rule in enumerate(self._schema.get("x-kubernetes-validations") or ()):
            path = f"{self._path}.x-kubernetes-validations[{index}]"
            try:
                rules.append(Rule(rule, self._library))
            except ValueError as error:
                self._own_problems.append(Cause("FieldValueInvalid", _refused(rule, str(error)), f"{path}.rule"))
            else:
                self._own_problems += _undefined_fields(self._schema, rule, path)
        return rules

    def _property(self, name: str) -> "RuleTree":
        tree = self._properties.get(name)
        if tree is None:
            tree = self._properties[name] = self._tree(self._declared[name], f"properties[{name}]")
        return tree

    @cached_property
    def _values(self) -> "RuleTree | None":
        values = self._schema.get("additionalProperties")
        return self._tree(values, "additionalProperties") if isinstance(values, dict) else None

    @cached_property
    def _items(self) -> "RuleTree | None":
        items = self._schema.get("items")
        return self._tree(items, "items") if isinstance(items, dict) else None

    def _tree(self, schema: Object, place: str) -> "RuleTree":
        return RuleTree(schema, self._library, f"{self._path}.{place}", self._binder)

    def check(self, value: Any, old: Any = _MISSING, path: str = "") -> list[Cause]:
        """Return a cause for each violated rule. `old` is the value before an update; omit it for a create."""
        if self.empty or value is None:
            return []
        causes = self._check_here(value, old, path) if self._rules else []
        items = self._items
        if isinstance(value, dict):
            causes += self._check_object(value, old if isinstance(old, dict) else {}, path)
        elif isinstance(value, list) and items is not None and not items.empty:
            before = self._correlate(old)
            for index, item in enumerate(value):
                causes += items.check(item, before.get(self._identity(item), _MISSING), f"{path}[{index}]")
        return causes

    def _check_object(self, value: Object, old: Object, path: str) -> list[Cause]:
        causes: list[Cause] = []
        values = self._values
        for name, inner in value.items():
            if name in self._declared:
                tree = self._property(name)
                causes += [] if tree.empty else tree.check(inner, old.get(name, _MISSING), f"{path}.{name}")
            elif values is not None and not values.empty:
                causes += values.check(inner, old.get(name, _MISSING), f"{path}[{name}]")
        return causes

    def _check_here(self, value: Any, old: Any, path: str) -> list[Cause]:
        has_old = old is not _MISSING and old is not None
        causes: list[Cause] = []
        variables = {"self": self._binder.bind(self._schema, value)}
        if has_old:
            variables["oldSelf"] = self._binder.bind(self._schema, old)
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


def _has_rules(schema: Object) -> bool:
    below = [*(schema.get("properties") or {}).values(), schema.get("additionalProperties"), schema.get("items")]
    return bool(schema.get("x-kubernetes-validations")) or any(
        _has_rules(inner) for inner in below if isinstance(inner, dict)
    )


def _undefined_fields(schema: Object, rule: Object, path: str) -> Iterator[Cause]:
    """The fields that a rule uses and the schema does not declare."""
    properties = schema.get("properties")
    if schema.get("type") != "object" or not properties or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    names = {escape(name) for name in properties} | {"metadata", "apiVersion", "kind"}
    for name in _FIELD.findall(_STRINGS.sub("''", rule["rule"])):
        if name not in names:
            text = _refused(rule, f"ERROR: <input>:1:1: undefined field '{name}'")
            yield Cause("FieldValueInvalid", text, f"{path}.rule")


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
