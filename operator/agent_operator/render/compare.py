"""Whether a live object already holds all that a manifest says.

The API server adds defaults and other writers add fields; both are none of our business. So the question is never
"equal?" but "is ours in it?". What has *left* the manifest cannot be seen this way: the manifest-hash annotation,
which is part of the manifest, differs then.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

# Associative lists of the built-in kinds: the list -> the keys that tell items apart, as in their OpenAPI schemas.
# All other lists are atomic: as many items, in our order.
_LIST_MAPS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "ownerReferences": ("uid",),
    "resourceClaims": ("name",),
}
# A field name that is associative in some places only: (parent, list) -> keys. NetworkPolicy's ports are atomic.
_LIST_MAPS_AT: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("containers", "ports"): ("containerPort", "protocol"),
    ("initContainers", "ports"): ("containerPort", "protocol"),
    ("spec", "ports"): ("port", "protocol"),
}
_SETS = frozenset({"finalizers"})
_KEY_DEFAULTS: Mapping[str, Any] = {"protocol": "TCP"}
# Parents whose leaves are quantities: "2000m" and "2" are the same there, and nowhere else.
_QUANTITIES = frozenset({"requests", "limits", "hard", "capacity"})
_QUANTITY_LEAVES = frozenset({"averageValue", "sizeLimit", "divisor", "storage"})
_SUFFIXES: Mapping[str, Decimal] = {
    **{
        suffix: Decimal(10) ** (3 * n) for n, suffix in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
    },
    **{f"{suffix}i": Decimal(1024) ** n for n, suffix in enumerate("KMGTPE", 1)},
}
_EMPTY: tuple[Any, ...] = ({}, [], None)


def covers(live: Any, desired: Any, *, field: str = "", parent: str = "") -> bool:
    """Tell whether `live` holds everything that `desired` says; `field` and `parent` are the keys above them."""
    if isinstance(desired, Mapping):
        return _covers_map(live, desired, field)
    if isinstance(desired, list | tuple):
        return _covers_list(live, desired, field, parent)
    return live == desired or _same_scalar(live, desired, field, parent)


def _covers_map(live: Any, desired: Mapping[str, Any], field: str) -> bool:
    if not desired:
        # The server drops some empty maps; where it keeps one ({} as in emptyDir), it may have filled it.
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
    keys = _LIST_MAPS_AT.get((parent, field)) or _LIST_MAPS.get(field)
    if keys is None or not all(isinstance(item, Mapping) for item in (*live, *desired)):
        return len(live) == len(desired) and all(
            covers(there, ours, field=field, parent=parent) for there, ours in zip(live, desired, strict=True)
        )
    by_key = {_identity(item, keys): item for item in live}
    return all(covers(by_key.get(_identity(item, keys)), item, field=field) for item in desired)


def _identity(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key, _KEY_DEFAULTS.get(key)) for key in keys)


def _same_scalar(live: Any, desired: Any, field: str, parent: str) -> bool:
    if isinstance(live, bool) or isinstance(desired, bool) or live is None or desired is None:
        # The server does not store what is false or empty in many places.
        return live is None and desired in (False, "", 0)
    if parent in _QUANTITIES or field in _QUANTITY_LEAVES:
        amount = quantity(str(desired))
        return amount is not None and amount == quantity(str(live))
    # int-or-string: 8000 and "8000" are the same port or count.
    return isinstance(live, int) is not isinstance(desired, int) and str(live) == str(desired)


def quantity(text: str) -> Decimal | None:
    """Read a Kubernetes quantity; None when it is none."""
    number = text.rstrip("numkKMGTPEi")
    suffix = text[len(number) :]
    factor = _SUFFIXES.get(suffix)
    try:
        return Decimal(number) * factor if factor is not None else None
    except InvalidOperation:
        return None
