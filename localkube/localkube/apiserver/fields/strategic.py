"""Strategic merge patch: merges lists by key and supports directives such as $patch and $setElementOrder."""

from typing import Any, Final

from kubeschema.errors import FieldsError, go_json
from kubeschema.schema import Schema
from localkube.apiserver.fields.merge import merge_patch

Object = dict[str, Any]

_PATCH: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_ORDER: Final = "$setElementOrder/"
_DELETE: Final = "$deleteFromPrimitiveList/"
_MAPS: Final = frozenset({"object", "map"})


def strategic_merge(schema: Schema, live: Object, patch: Object) -> Object:
    """Merge `patch` into `live`. Raises FieldsError 400 for invalid directives."""
    return _merge_map(schema, live, patch)


def _bad(message: str) -> FieldsError:
    return FieldsError(400, "BadRequest", message)


def _merge_map(node: Schema | None, live: Object, patch: Object) -> Object:
    directive = patch.get(_PATCH)
    if directive in {"replace", "delete"}:
        return {key: value for key, value in patch.items() if key != _PATCH and directive == "replace"}
    if directive not in {None, "merge"}:
        raise _bad(f"unknown patch type found: {directive}")
    out = _retained(live, patch)
    for key, value in patch.items():
        if key.startswith(_DELETE):
            name = key.removeprefix(_DELETE)
            out[name] = [item for item in out.get(name) or () if item not in value]
        elif not key.startswith("$"):
            _set(_child(node, key), out, key, value)
    _set_orders(node, live, patch, out)
    return out


def _set_orders(node: Schema | None, live: Object, patch: Object, out: Object) -> None:
    for key, order in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and isinstance(out.get(name), list):
            child = _child(node, name)
            out[name] = _in_order(out[name], order, live.get(name) or [], child.merge_key if child else "")


def _retained(live: Object, patch: Object) -> Object:
    if _RETAIN not in patch:
        return dict(live)
    retain = patch[_RETAIN]
    if not isinstance(retain, list):
        raise _bad("$retainKeys must be a list")
    if any(not key.startswith("$") and key not in retain for key in patch):
        raise _bad("$retainKeys directives should list all fields of the patch")
    return {key: value for key, value in live.items() if key in retain}


def _child(node: Schema | None, name: str) -> Schema | None:
    return node.child(name) if node is not None and node.type in _MAPS else None


def _set(child: Schema | None, out: Object, key: str, value: Any) -> None:
    before = out.get(key)
    if value is None:
        out.pop(key, None)
    elif isinstance(value, dict):
        old = before if isinstance(before, dict) and not (child and "replace" in child.strategies) else {}
        mergeable = child is not None and child.type in _MAPS
        out[key] = _merge_map(child, old, value) if mergeable else merge_patch(old, value)
    elif isinstance(value, list) and child is not None and "merge" in child.strategies:
        out[key] = _merge_list(child, before if isinstance(before, list) else [], value)
    else:
        out[key] = value


def _merge_list(node: Schema, live: list[Any], patch: list[Any]) -> list[Any]:
    key = node.merge_key
    if not key:
        merged = [*live, *(item for item in patch if item not in live)]
        return _in_order(merged, patch, live, "")
    if not all(isinstance(item, dict) for item in patch):
        raise _bad(f"{node.name}: expected a list of objects")
    plain = [item for item in patch if _PATCH not in item]
    directives = {item[_PATCH] for item in patch if _PATCH in item}
    if directives - {"delete", "replace"}:
        raise _bad(f"unknown patch type found: {', '.join(sorted(map(str, directives)))}")
    if "replace" in directives:
        return plain
    if any(key not in item for item in patch):
        raise _bad(f"{node.name}: map does not contain declared merge key: {key}")
    removed = [item[key] for item in patch if _PATCH in item]
    kept = [item for item in live if item.get(key) not in removed]
    return _in_order(_merge_items(node, kept, plain), plain, kept, key)


def _merge_items(node: Schema, live: list[Any], patch: list[Any]) -> list[Any]:
    key, out = node.merge_key, list(live)
    places = {item.get(key): at for at, item in enumerate(live)}
    for item in patch:
        at = places.get(item[key])
        if at is None:
            places[item[key]] = len(out)
            out.append(_merge_map(node.items, {}, item))
        else:
            out[at] = _merge_map(node.items, out[at], item)
    return out


def _in_order(merged: list[Any], wanted: list[Any], live: list[Any], key: str) -> list[Any]:
    """Sort items in the order of `wanted`. Other items stay before the item that followed them in the live list."""

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else go_json(item)

    order = {identity(item): at for at, item in enumerate(wanted)}
    place = {identity(item): at for at, item in enumerate(live)}
    named = sorted((item for item in merged if identity(item) in order), key=lambda item: order[identity(item)])
    others = [item for item in merged if identity(item) not in order]
    out: list[Any] = []
    for item in named:
        here = place.get(identity(item), -1)
        while others and place.get(identity(others[0]), here) < here:
            out.append(others.pop(0))
        out.append(item)
    return out + others
