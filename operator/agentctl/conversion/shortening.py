"""Removes fields of a spec that do not change what the operator renders."""

from collections.abc import Callable, Sequence
from typing import Any

from agentctl.objects import Object

# The image must not change with the version of the operator. podTemplate contains only what is needed.
_FIXED = frozenset({"runtime", "podTemplate", "credentials", "identity"})
# A reader looks for these numbers in the spec.
_EXPLICIT = frozenset({("autoscaling", "minReplicas"), ("autoscaling", "maxReplicas")})
# Renders a spec; None if it is not valid.
Render = Callable[[Object], Sequence[Object] | None]


def shortened(spec: Object, render: Render) -> Object:
    """Return the spec without the fields that equal the defaults of the operator."""
    wanted = render(spec)
    result = spec
    for field in [name for name in spec if name not in _FIXED]:
        result = _without(result, (field,), wanted, render)
    return result


def _without(spec: Object, path: tuple[str, ...], wanted: Sequence[Object] | None, render: Render) -> Object:
    """Return the spec without a field, or without fields below it, if it renders the same."""
    if path in _EXPLICIT:
        return spec
    shorter = _removed(spec, path)
    if render(shorter) == wanted:
        return shorter
    value = _value(spec, path)
    for key in list(value) if isinstance(value, dict) else ():
        spec = _without(spec, (*path, key), wanted, render)
    return spec


def _removed(node: Object, path: tuple[str, ...]) -> Object:
    if len(path) == 1:
        return {key: value for key, value in node.items() if key != path[0]}
    return node | {path[0]: _removed(node[path[0]], path[1:])}


def _value(node: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        node = node[key]
    return node
