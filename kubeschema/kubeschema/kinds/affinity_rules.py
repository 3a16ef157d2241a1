"""Validation of spec.affinity of a pod."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from kubeschema import names
from kubeschema.errors import Cause, forbidden, invalid, required
from kubeschema.metadata_rules import selector

Object = dict[str, Any]

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_LEAST_WEIGHT: Final = 1
_GREATEST_WEIGHT: Final = 100


def affinity(given: Object, path: str) -> Iterator[Cause]:
    """Validate an affinity."""
    yield from _node_affinity(given.get("nodeAffinity") or {}, f"{path}.nodeAffinity")
    for name in ("podAffinity", "podAntiAffinity"):
        of_pods = given.get(name) or {}
        for at, term in enumerate(of_pods.get(_REQUIRED) or ()):
            yield from _pod_term(term, f"{path}.{name}.{_REQUIRED}[{at}]")
        for here, preferred in _preferred(of_pods, f"{path}.{name}"):
            yield from _weight(preferred, here)
            yield from _pod_term(preferred.get("podAffinityTerm") or {}, f"{here}.podAffinityTerm")


def _node_affinity(given: Object, path: str) -> Iterator[Cause]:
    needed = given.get(_REQUIRED)
    if needed is not None:
        terms = needed.get("nodeSelectorTerms") or ()
        if not terms:
            yield required(f"{path}.{_REQUIRED}.nodeSelectorTerms", "must have at least one node selector term")
        for at, term in enumerate(terms):
            yield from _node_term(term, f"{path}.{_REQUIRED}.nodeSelectorTerms[{at}]")
    for here, preferred in _preferred(given, path):
        yield from _weight(preferred, here)
        yield from _node_term(preferred.get("preference") or {}, f"{here}.preference")


def _preferred(given: Object, path: str) -> list[tuple[str, Object]]:
    return [(f"{path}.{_PREFERRED}[{at}]", item) for at, item in enumerate(given.get(_PREFERRED) or ())]


def _weight(preferred: Object, path: str) -> Iterator[Cause]:
    weight = preferred.get("weight", 0)
    if not _LEAST_WEIGHT <= weight <= _GREATEST_WEIGHT:
        yield invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _node_term(term: Object, path: str) -> Iterator[Cause]:
    for at, expression in enumerate(term.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{at}]"
        yield from _values(expression, here)
        key = expression.get("key", "")
        yield from (invalid(f"{here}.key", key, text) for text in names.qualified(key))
    for at, field in enumerate(term.get("matchFields") or ()):
        yield from _field(field, f"{path}.matchFields[{at}]")


def _values(expression: Object, path: str) -> Iterator[Cause]:
    operator, values = expression.get("operator", ""), expression.get("values") or ()
    match operator:
        case "In" | "NotIn":
            if not values:
                yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if values:
                message = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield forbidden(f"{path}.values", message)
        case "Gt" | "Lt":
            if len(values) != 1:
                yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
        case _:
            yield invalid(f"{path}.operator", operator, "not a valid selector operator")


def _field(field: Object, path: str) -> Iterator[Cause]:
    operator, values, key = field.get("operator", ""), field.get("values") or (), field.get("key", "")
    if operator not in ("In", "NotIn"):
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    elif len(values) != 1:
        message = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{path}.values", message)
    if key != "metadata.name":
        yield invalid(f"{path}.key", key, "not a valid field selector key")


def _pod_term(term: Object, path: str) -> Iterator[Cause]:
    yield from selector(term.get("labelSelector"), f"{path}.labelSelector")
    yield from selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    yield from _namespaces(term.get("namespaces") or (), f"{path}.namespaces")
    key = term.get("topologyKey", "")
    if not key:
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from (invalid(f"{path}.topologyKey", key, text) for text in names.qualified(key))


def _namespaces(given: Sequence[str], path: str) -> Iterator[Cause]:
    for name in given:
        yield from (invalid(path, name, text) for text in names.label(name))
