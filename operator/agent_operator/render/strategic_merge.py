"""Strategic merge patches of pod templates, as `kubectl patch` applies them: lists of objects merge by their key.

Null removes a field. `$patch: delete` removes an item of a list or the content of a map. `$patch: replace` replaces a
map or, as an item of its own, a list.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

from agent_operator.render.list_keys import merge_key

Object = dict[str, Any]

_DIRECTIVE = "$patch"
_SHOWN_CHARS = 253


class MergeError(ValueError):
    """A patch is malformed.

    Attributes:
        path: the malformed field.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


def merge(live: Mapping[str, Any], patch: Mapping[str, Any], path: str = "") -> Object:
    """Return `live` with `patch` merged in; neither is changed.

    Raises:
        MergeError: an unknown directive, or an item without its key.
    """
    directive = patch.get(_DIRECTIVE)
    if directive not in (None, "merge", "replace", "delete"):
        raise MergeError(path, "$patch must be merge, replace or delete: correct it")
    fields = {key: value for key, value in patch.items() if key != _DIRECTIVE}
    if directive == "delete":
        return {}
    merged = {} if directive == "replace" else dict(live)
    for key, value in fields.items():
        below = f"{path}.{key}" if path else key
        if key.startswith("$"):
            raise MergeError(below, "of the directives, only $patch is known here: remove it")
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            old = merged.get(key)
            merged[key] = merge(old if isinstance(old, Mapping) else {}, value, below)
        elif isinstance(value, list) and merge_key(key):
            old = merged.get(key)
            merged[key] = _merge_lists(old if isinstance(old, list) else [], value, merge_key(key), below)
        else:
            merged[key] = value
    return merged


def _merge_lists(live: list[Any], patch: list[Any], key: str, path: str) -> list[Any]:
    """Merge items with the same key, and append new items. Items of the patch are in its order."""
    if any(not isinstance(item, Mapping) for item in patch):
        raise MergeError(path, "must be a list of objects: correct it")
    directives = [item.get(_DIRECTIVE) for item in patch]
    if "replace" in directives:
        kept: list[Any] = []
        patch = [item for item in patch if item.get(_DIRECTIVE) != "replace"]
    else:
        kept = live
    if not all(isinstance(item.get(key), str | int) for item in patch):
        raise MergeError(path, f"an item has no {key}, by which items are told apart: add it")
    gone = {_identity(item, key) for item in patch if item.get(_DIRECTIVE) == "delete"}
    places = {_identity(item, key): item for item in kept if _identity(item, key) not in gone}
    named: dict[Any, Object] = {}
    for item in patch:
        if item.get(_DIRECTIVE) != "delete":
            identity, below = _identity(item, key), f"{path}[{_shown(item[key])}]"
            if identity in named:
                raise MergeError(below, f"an earlier item has the same {key}: remove one of the two")
            named[identity] = merge(places.get(identity, {}), item, below)
    return _in_order(places, named)


def _identity(item: Mapping[str, Any], key: str) -> Any:
    """Return what identifies an item. `kubectl patch` merges TCP and UDP ports of the same number, and loses one."""
    return (item.get(key), str(item.get("protocol") or "TCP")) if key == "containerPort" else item.get(key)


def _in_order(live: Mapping[Any, Any], named: Mapping[Any, Any]) -> list[Any]:
    """Return the items in the order of `named`. Other items stay before the items that they preceded."""
    place = {name: index for index, name in enumerate(live)}
    others = deque(name for name in live if name not in named)
    merged: list[Any] = []
    for name, item in named.items():
        while name in live and others and place[others[0]] < place[name]:
            merged.append(live[others.popleft()])
        merged.append(item)
    return merged + [live[name] for name in others]


def _shown(key: str | int) -> str:
    """Return a key for a path, shortened, because every path below contains it."""
    return str(key)[:_SHOWN_CHARS]
