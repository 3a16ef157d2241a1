"""The differences between an object of the input and the object that the operator renders."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.render.list_keys import list_keys

# Further lists whose items have a name. The tables of the operator contain only those of the kinds that it writes.
_NAMED: Mapping[str, str] = {"endpoints": "port", "data": "secretKey", "parentRefs": "name", "options": "name"}
# Maps of which each entry counts, also if the other object has no such map.
_MAPS = frozenset({"annotations", "labels", "matchLabels", "nodeSelector"})
_DEFAULT_PROTOCOL = "TCP"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: a field, or an item of a list.

    Attributes:
        name: name of the field, or the identity of the item as it appears in paths.
        key: for an item of a list of objects, the field that identifies it, such as name; otherwise empty.
        value: for an item of a list of objects, the value of that field.
        index: for an item, its position in the input; -1 for a field.
    """

    name: str
    key: str = ""
    value: Any = None
    index: int = -1


Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs. `before` is None if only the operator sets it; `after` is None if only the input does."""

    path: Path
    before: Any
    after: Any

    @property
    def field(self) -> str:
        """The path of the field, such as spec.containers[agent].image."""
        return "".join(_text(step) for step in self.path).lstrip(".")

    @property
    def position(self) -> str:
        """The path of the field with positions in lists, as documents index lines."""
        return "".join(f"[{step.index}]" if step.index >= 0 else f".{step.name}" for step in self.path).lstrip(".")


def _text(step: Step) -> str:
    in_brackets = step.index >= 0 or "." in step.name or "/" in step.name
    return f"[{step.name}]" if in_brackets else f".{step.name}"


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[Difference]:
    """Yield the differences, each at the topmost field that is missing or at the value that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            other = after.get(key, {} if key in _MAPS else None)
            yield from differences(value, other, (*path, Step(str(key))))
        for key in after:
            if key not in before:
                yield Difference((*path, Step(str(key))), None, after[key])
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(before, after, path)
    elif not same(before, after):
        yield Difference(path, before, after)


def count_fields(value: Any) -> int:
    """Return the number of values in an object."""
    if isinstance(value, dict) and value:
        return sum(count_fields(item) for item in value.values())
    if isinstance(value, list) and value:
        return sum(count_fields(item) for item in value)
    return 1


def same(before: Any, after: Any) -> bool:
    """Report whether two values are the same to the API server, which stores no empty values."""
    if before == after and isinstance(before, bool) is isinstance(after, bool):
        return True
    if before in ("", [], False) and after is None:
        return True
    return isinstance(before, list) and isinstance(after, list) and _sorted(before) == _sorted(after)


def _sorted(values: list[Any]) -> list[str]:
    return sorted(map(str, values))


def _of_lists(before: list[Any], after: list[Any], path: Path) -> Iterator[Difference]:
    fields = [step.name for step in path if step.index < 0]
    field, parent = fields[-1] if fields else "", fields[-2] if len(fields) > 1 else ""
    keys = _keys(parent, field)
    objects = all(isinstance(item, dict) for item in (*before, *after))
    if not keys or not objects:
        if not same(before, after):
            yield Difference(path, before, after)
        return
    remaining = {_identity(item, keys): item for item in after}
    for index, item in enumerate(before):
        value = item.get(keys[0])
        step = Step(str(value), keys[0], value, index)
        yield from differences(item, remaining.pop(_identity(item, keys), None), (*path, step))
    for item in remaining.values():
        value = item.get(keys[0])
        yield Difference((*path, Step(str(value), keys[0], value, len(before))), None, item)


def _keys(parent: str, field: str) -> tuple[str, ...]:
    known = list_keys(parent, field)
    if known:
        return known
    return (_NAMED[field],) if field in _NAMED else ()


def _identity(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(item.get(key, _DEFAULT_PROTOCOL if key == "protocol" else None)) for key in keys)
