"""Checks whether a live object contains everything that its manifest contains.

The API server adds defaults, and other writers add fields. So a live object need not equal its manifest, but it must
contain the manifest. Removing a field from the manifest changes its manifest-hash annotation, so the objects differ.
"""

from collections.abc import Mapping
from typing import Any

from agent_operator.inputs import quantities
from agent_operator.render.list_keys import list_keys

_SETS = frozenset({"finalizers"})
_KEY_DEFAULTS: Mapping[str, Any] = {"protocol": "TCP"}
# Parents whose leaves are quantities: "2000m" equals "2" there, and only there.
_QUANTITIES = frozenset({"requests", "limits", "hard", "capacity"})
_QUANTITY_LEAVES = frozenset({"averageValue", "sizeLimit", "divisor", "storage"})
_EMPTY: tuple[Any, ...] = ({}, [], None)


def covers(live: Any, desired: Any, *, field: str = "", parent: str = "") -> bool:
    """Return whether `live` contains `desired`.

    Args:
        live: a part of the live object.
        desired: the same part of the manifest.
        field: the key of both.
        parent: the key above it.
    """
    if live == desired:
        return True
    if isinstance(desired, Mapping):
        return _covers_map(live, desired, field)
    if isinstance(desired, list | tuple):
        return _covers_list(live, desired, field, parent)
    return _same_scalar(live, desired, field, parent)


def _covers_map(live: Any, desired: Mapping[str, Any], field: str) -> bool:
    if not desired:
        # The API server drops some empty maps, and may add defaults to others such as emptyDir.
        return live is None or isinstance(live, Mapping)
    if not isinstance(live, Mapping):
        return False
    return all(covers(live.get(key), value, field=key, parent=field) for key, value in desired.items())


def _covers_list(live: Any, desired: list[Any] | tuple[Any, ...], field: str, parent: str) -> bool:
    if live in _EMPTY:
        return not desired
    if not isinstance(live, list):
        return False
    if field in _SETS:
        return all(item in live for item in desired)
    keys = list_keys(parent, field)
    if not keys or not all([isinstance(item, dict) for item in (*live, *desired)]):  # noqa: C419  (faster)
        return len(live) == len(desired) and all(
            covers(actual, wanted, field=field, parent=parent) for actual, wanted in zip(live, desired, strict=True)
        )
    # Other writers may have added many items, so only those of the manifest are indexed.
    first_keys = {item.get(keys[0]) for item in desired}
    by_key = {_identity(item, keys): item for item in live if item.get(keys[0]) in first_keys}
    return all(covers(by_key.get(_identity(item, keys)), item, field=field) for item in desired)


def _identity(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key, _KEY_DEFAULTS.get(key)) for key in keys)


def _same_scalar(live: Any, desired: Any, field: str, parent: str) -> bool:
    if isinstance(live, bool) or isinstance(desired, bool) or live is None or desired is None:
        # In many places the API server does not store a false or empty value.
        return live is None and desired in (False, "", 0)
    if parent in _QUANTITIES or field in _QUANTITY_LEAVES:
        return _same_quantity(str(desired), str(live))
    # int-or-string: 8000 and "8000" are the same port or number.
    return isinstance(live, int) is not isinstance(desired, int) and str(live) == str(desired)


def _same_quantity(one: str, other: str) -> bool:
    try:
        return quantities.parse(one) == quantities.parse(other)
    except ValueError:
        return False
