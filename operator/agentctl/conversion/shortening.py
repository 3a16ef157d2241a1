"""Removes fields of a spec that do not change what the operator renders."""

from collections.abc import Callable, Sequence
from typing import Any

from agentctl.objects import Object

# Fields that stay, because a reader looks for them, or because they must not follow a new default of the operator.
_EXPLICIT = frozenset(
    {
        ("autoscaling", "minReplicas"),
        ("autoscaling", "maxReplicas"),
        ("credentials",),
        ("identity",),
        ("podTemplate",),
        ("runtime", "image"),
        ("runtime", "version"),
    }
)
# Fields whose defaults depend on each other. They are removed as a whole or not at all.
_WHOLE = frozenset({("resources",)})
# Renders a spec; None if it is not valid.
Render = Callable[[Object], Sequence[Object] | None]


def shortened(spec: Object, render: Render) -> Object:
    """Return the spec without the fields that equal the defaults of the operator."""
    wanted = render(spec)
    result = spec
    for field in spec:
        result = _without(result, (field,), wanted, render)
    return result


def _without(spec: Object, path: tuple[str, ...], wanted: Sequence[Object] | None, render: Render) -> Object:
    """Return the spec without a field, or without fields below it, if it renders the same."""
    if path in _EXPLICIT:
        return spec
    value = _value(spec, path)
    below = [(*path, key) for key in value] if isinstance(value, dict) else []
    if not _EXPLICIT.intersection(below):
        shorter = _removed(spec, path)
        if render(shorter) == wanted:
            return shorter
    for field in below if path not in _WHOLE else ():
        spec = _without(spec, field, wanted, render)
    return spec


def _removed(node: Object, path: tuple[str, ...]) -> Object:
    if len(path) == 1:
        return {key: value for key, value in node.items() if key != path[0]}
    return node | {path[0]: _removed(node[path[0]], path[1:])}


def _value(node: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        node = node[key]
    return node
