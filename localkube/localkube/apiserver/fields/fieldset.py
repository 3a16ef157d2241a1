"""Sets of field paths, represented as FieldsV1 of metadata.managedFields.

A set is a tree: keys are path elements (`f:spec`, `k:{"name":"x"}`, `v:"a"`, `i:0`), a node that is a member has the
key `.`, and a member without children is `{}`. Therefore a stored set needs no decoding, and results share unchanged
parts. Sets are immutable.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final, TypeAlias

FieldSet: TypeAlias = dict[str, Any]

MEMBER: Final = "."
LEAF: Final[FieldSet] = {}
_ORDER: Final = {".": 0, "f": 1, "k": 2, "v": 3, "i": 4}


def is_member(node: FieldSet) -> bool:
    return not node or MEMBER in node


def element_key(element: str) -> tuple[int, str]:
    """Return a sort key for path elements, in the server's order: MEMBER, fields, keys, values, indexes."""
    return _ORDER[element[0]], element


def ordered(fields: FieldSet) -> FieldSet:
    """Sort the set in the order of the server."""
    if len(fields) > 1:
        return {key: ordered(fields[key]) for key in sorted(fields, key=element_key)}
    return {key: ordered(child) if child else child for key, child in fields.items()}


def union(one: FieldSet, two: FieldSet) -> FieldSet:
    """The members of either set. For whole sets, not for nodes of a set: `{}` is the empty set here, not a member."""
    if not one or one is two:
        return two
    return _union(one, two) if two else one


def _union(one: FieldSet, two: FieldSet) -> FieldSet:
    if one is two:
        return one
    if not one or not two:  # one of them is a member without children: keep its MEMBER key
        some = one or two
        return some if MEMBER in some or not some else {MEMBER: LEAF, **some}
    out = dict(one)
    for key, child in two.items():
        mine = out.get(key)
        out[key] = child if mine is None else _union(mine, child)
    return out


def difference(one: FieldSet, two: FieldSet) -> FieldSet:
    """The members of `one` that are not in `two`. For whole sets, as in `union`."""
    return (_difference(one, two) or {}) if one and two else one


def _difference(one: FieldSet, two: FieldSet) -> FieldSet | None:
    """None if no member is left."""
    keep_mark = is_member(one) and not is_member(two)
    out: FieldSet = {MEMBER: LEAF} if keep_mark else {}
    for key, child in one.items():
        if key == MEMBER:
            continue
        other = two.get(key)
        left = child if other is None else _difference(child, other)
        if left is not None:
            out[key] = left
    if keep_mark and len(out) == 1:
        return LEAF
    return out or None


def without(one: FieldSet, two: FieldSet) -> FieldSet:
    """`one` without the members of `two` and their descendants."""
    return (_without(one, two) or {}) if one and two else one


def _without(one: FieldSet, two: FieldSet) -> FieldSet | None:
    if is_member(two):
        return None
    out: FieldSet = {}
    for key, child in one.items():
        other = two.get(key)
        left = child if other is None else _without(child, other)
        if left is not None:
            out[key] = left
    if not out:
        return LEAF if is_member(one) else None
    return LEAF if out.keys() == {MEMBER} else out


def intersection(one: FieldSet, two: FieldSet) -> FieldSet:
    """The members of both sets. For whole sets, as in `union`."""
    return (_intersection(one, two) or {}) if one and two else {}


def _intersection(one: FieldSet, two: FieldSet) -> FieldSet | None:
    both = is_member(one) and is_member(two)
    out: FieldSet = {MEMBER: LEAF} if both else {}
    small, large = (one, two) if len(one) < len(two) else (two, one)
    for key, child in small.items():
        other = large.get(key)
        if other is not None and key != MEMBER:
            common = _intersection(child, other)
            if common is not None:
                out[key] = common
    if both and len(out) == 1:
        return LEAF
    return out or None


def contains(one: FieldSet, two: FieldSet) -> bool:
    """Whether `one` contains every member of `two`. For roots."""
    return not two or not difference(two, one)


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """The members as text, in the order of the server: `.spec.containers[name="x"].image`."""
    for key in sorted(fields, key=element_key):
        if key == MEMBER:
            if prefix:
                yield prefix
            continue
        child = fields[key]
        path = prefix + element_text(key)
        if child:
            yield from paths(child, path)
        else:
            yield path


@lru_cache(maxsize=4096)
def element_text(element: str) -> str:
    """A path element as text: `.image`, `[name="x"]`, `[="a"]`, `[0]`."""
    mark, _, rest = element.partition(":")
    if mark == "f":
        return f".{rest}"
    if mark == "k":
        return f"[{','.join(f'{key}={json.dumps(value)}' for key, value in sorted(json.loads(rest).items()))}]"
    return f"[={rest}]" if mark == "v" else f"[{rest}]"


def key_element(pairs: list[tuple[str, Any]]) -> str:
    """The path element of an item of an associative list, with sorted keys: `k:{"name":"x"}`."""
    return "k:{" + ",".join([f'"{key}":{scalar_text(value)}' for key, value in sorted(pairs)]) + "}"


def value_element(value: Any) -> str:
    """The path element of an item of a set: `v:"a"`."""
    return "v:" + scalar_text(value)


def scalar_text(value: Any) -> str:
    if type(value) is str:
        return encode_basestring(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
