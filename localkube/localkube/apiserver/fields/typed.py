"""Typed values, as in structured-merge-diff: field sets, comparison and merge according to a schema."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from kubeschema.schema import ANYTHING, Schema
from localkube.apiserver.fields.fieldset import LEAF, MEMBER, FieldSet, element_text, key_element, value_element

ABSENT: Final = object()
_DICTS: Final = frozenset({"object", "map", "any"})


class TypedError(ValueError):
    """A value does not match its schema. The message has the path and the problem."""


def element(node: Schema, item: Any, path: str = "") -> str:
    """The path element of an item of a set or associative list. Raises TypedError if keys are missing."""
    if node.list_type == "set":
        return value_element(item)
    if not isinstance(item, dict):
        raise TypedError(f"{path}: associative list with keys may not have non-map elements")
    pairs = []
    for key in node.keys:
        value = item.get(key)
        if value is None:
            value = node.key_defaults.get(key)
        if value is None and key not in item:
            raise TypedError(
                f'{path}: element 0: associative list with keys has an element that omits key field "{key}" '
                "(and doesn't have default value)"
            )
        pairs.append((key, value))
    return key_element(pairs)


def index(node: Schema, items: Iterable[Any], path: str = "", *, unique: bool = False) -> dict[str, Any]:
    """The items of a set or associative list by path element. Raises TypedError for duplicates if `unique`."""
    out: dict[str, Any] = {}
    for item in items:
        key = element(node, item, path)
        if key in out:
            if unique:
                raise TypedError(f"{path}: duplicate entries for key {element_text(key)}")
            continue
        out[key] = item
    return out


def fields_of(node: Schema, value: Any, path: str = "", *, unique: bool = True) -> FieldSet | None:
    """The field set of `value` (`{}`: a leaf, None: no field). Raises TypedError if it does not match the schema."""
    if node.atomic:
        return LEAF
    if isinstance(value, dict) and node.type in _DICTS:
        return _fields_of_map(node, value, path, unique=unique)
    if isinstance(value, list) and node.type == "list":
        out: FieldSet = {}
        for key, item in index(node, value, path, unique=unique).items():
            inner = fields_of(node.items, item, path + element_text(key), unique=unique)
            out[key] = {MEMBER: LEAF, **inner} if inner and MEMBER not in inner else inner or LEAF
        return out or None
    if value is None:
        return None
    if node.type == "any":
        return LEAF
    raise TypedError(f"{path}: expected {'list' if node.type == 'list' else 'map'}, got {value!r}")


def _fields_of_map(node: Schema, value: dict[str, Any], path: str, *, unique: bool) -> FieldSet | None:
    out: FieldSet = {}
    declared = node.type == "object"
    fields = node.fields if declared else {}
    for name, item in value.items():
        child = fields.get(name) or node.child(name)
        if child is None:
            raise TypedError(f"{path}.{name}: field not declared in schema")
        if child.atomic or item is None or item == {}:
            out[f"f:{name}"] = LEAF
            continue
        inner = fields_of(child, item, f"{path}.{name}", unique=unique)
        if name not in fields:
            inner = {MEMBER: LEAF, **(inner or LEAF)} if inner else LEAF
        if inner is not None:
            out[f"f:{name}"] = inner
    return out or None


Difference = tuple[FieldSet | None, FieldSet | None]
"""Fields added or changed, and fields removed."""
_SAME: Final[Difference] = (None, None)


def compare(node: Schema, old: Any, new: Any) -> Difference:
    """The changed and the removed fields of two values; either may be ABSENT. Two empty containers are leaves."""
    if old is new:
        return _SAME
    before, after = _entries(node, old), _entries(node, new)
    if before or after:
        return _compare_entries(node, old is ABSENT, new is ABSENT, before, after)
    if old is ABSENT or (new is not ABSENT and (old != new or type(old) is not type(new))):
        return (LEAF, None)
    return (None, LEAF) if new is ABSENT else _SAME


def _entries(node: Schema, value: Any) -> dict[str, Any]:
    """The children of a value by name or path element; none for an atomic value."""
    if node.atomic:
        return {}
    if node.type == "list":
        return index(node, value) if isinstance(value, list) else {}
    return value if isinstance(value, dict) else {}


def _compare_entries(
    node: Schema, added: bool, deleted: bool, before: dict[str, Any], after: dict[str, Any]
) -> Difference:
    changed: FieldSet = {MEMBER: LEAF} if added else {}
    removed: FieldSet = {MEMBER: LEAF} if deleted else {}
    prefix = "" if node.type == "list" else "f:"
    for name, item in after.items():
        old = before.get(name, ABSENT)
        if old is item:
            continue
        new_fields, old_fields = compare(_entry_type(node, name), old, item)
        if new_fields is not None:
            changed[prefix + name] = new_fields
        if old_fields is not None:
            removed[prefix + name] = old_fields
    for name in before.keys() - after.keys():
        removed[prefix + name] = compare(_entry_type(node, name), before[name], ABSENT)[1]
    return changed or None, removed or None


def _entry_type(node: Schema, name: str) -> Schema:
    if node.type == "list":
        return node.items
    return node.fields.get(name) or node.child(name) or ANYTHING if node.type == "object" else node.items


def merge(node: Schema, old: Any, new: Any) -> Any:
    """Merge `new` into `old`. Returns `old` itself if nothing changes."""
    if new is ABSENT or old is new:
        return old
    if old is ABSENT:
        return new
    if node.atomic:
        return old if old == new and type(old) is type(new) else new
    if isinstance(old, list) and node.type == "list":
        return _merge_lists(node, old, new) if old or new else new
    if isinstance(old, dict) and node.type in _DICTS:
        return _merge_maps(node, old, new) if old or new else new
    return old if old == new else new


def _merge_maps(node: Schema, old: dict[str, Any], new: Any) -> Any:
    if not isinstance(new, dict):
        return old if new is None else new
    out = None
    for name, item in new.items():
        before = old.get(name, ABSENT)
        merged = merge(_entry_type(node, name), before, item)
        if merged is not before:
            out = out or dict(old)
            out[name] = merged
    return old if out is None else out


def _merge_lists(node: Schema, old: list[Any], new: Any) -> Any:
    """Merge the items of two lists, in `merged_order`."""
    if not isinstance(new, list):
        return old
    left, right = index(node, old), index(node, new)
    order = merged_order(list(left), list(right))
    out = [merge(node.items, left.get(key, ABSENT), right.get(key, ABSENT)) for key in order]
    same = len(out) == len(old) and all(one is two for one, two in zip(out, old, strict=True))
    return old if same else out


def merged_order(left: list[str], right: list[str]) -> list[str]:
    """The keys of both lists: shared ones in the order of `right`, those only in `left` at their place."""
    if left == right:
        return left
    in_left, in_right = set(left), set(right)
    shared = [key for key in right if key in in_left]
    out: list[str] = []
    taken: set[str] = set()
    here = there = at = 0
    while here < len(left) or there < len(right):
        if here < len(left):
            key = left[here]
            wanted = shared[at] if at < len(shared) else None
            if key not in in_right:
                out.append(key)
                here += 1
                continue
            if key in taken or (there < len(right) and wanted is not None and wanted != key):
                here += 1
                continue
        if there < len(right):
            key = right[there]
            out.append(key)
            taken.add(key)
            at += key in in_left
            there += 1
    return out


def remove(node: Schema, value: Any, fields: FieldSet) -> Any:
    """Remove the members of `fields` from `value`. A container that becomes empty is kept."""
    if node.atomic or not isinstance(value, list | dict):
        return value
    if isinstance(value, list):
        keyed = ((element(node, item), item, node.items) for item in value)
        return [item for _, item in _without(keyed, fields)]
    named = ((f"f:{name}", item, _entry_type(node, name)) for name, item in value.items())
    return {key[2:]: item for key, item in _without(named, fields)}


def _without(entries: Iterable[tuple[str, Any, Schema]], fields: FieldSet) -> Iterator[tuple[str, Any]]:
    for key, item, node in entries:
        inner = fields.get(key)
        if inner is None:
            yield key, item
        elif inner and MEMBER not in inner:
            yield key, remove(node, item, inner)


def with_parents(node: Schema, fields: FieldSet) -> FieldSet:
    """Add every declared field on the path to a member to the set. For roots."""
    out: FieldSet = {}
    for key, child in fields.items():
        if key == MEMBER or not child:
            out[key] = child
            continue
        name = key[2:]
        deeper = with_parents(_entry_type(node, name), child)
        named = key.startswith("f:") and node.type == "object" and name in node.fields
        out[key] = {MEMBER: LEAF, **deeper} if named else deeper
    return out
