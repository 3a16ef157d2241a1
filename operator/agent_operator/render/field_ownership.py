"""Whether field managers account for the content of an object. Pure.

An agent takes over the fields of an adopted object from their managers, and its apply then removes those that the agent
does not have. A field without a manager would stay forever, such as a container after somebody reset `managedFields`.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from agent_operator.render.list_keys import list_keys

Fields = Mapping[str, Any]

# Fields with the default true, which no manager owns after server-side apply.
_DEFAULT_TRUE = frozenset({"enableServiceLinks", "allocateLoadBalancerNodePorts"})
_DATA = ("data", "binaryData")
_KEY_DEFAULTS = {"protocol": "TCP"}


def is_tracked(manifest: Mapping[str, Any], live: Mapping[str, Any], fields: Iterable[str] | None = None) -> bool:
    """Return whether each entry of a list, and what is turned on, is in the manifest or has a manager.

    Other fields without a manager are usually defaults of the API server.

    Args:
        manifest: the desired object.
        live: the live object.
        fields: the fields of spec to look at; None for all.
    """
    entries = (entry for entry in live["metadata"].get("managedFields") or () if not entry.get("subresource"))
    owned: Fields = {}
    for entry in entries:
        if entry.get("apiVersion") == manifest["apiVersion"]:
            owned = merged(owned, entry.get("fieldsV1") or {})
    spec = live.get("spec") or {}
    chosen = spec if fields is None else {name: spec[name] for name in fields if name in spec}
    return _is_tracked(chosen, manifest.get("spec"), owned.get("f:spec"), "", "spec") and all(
        live[part].keys() <= (manifest.get(part) or {}).keys() | {name[2:] for name in owned.get(f"f:{part}") or {}}
        for part in _DATA
        if live.get(part)
    )


def merged(one: Fields, other: Fields) -> dict[str, Any]:
    """Return the union of two field sets."""
    union = dict(one)
    for name, value in other.items():
        union[name] = merged(union.get(name) or {}, value or {})
    return union


def _is_tracked(live: Any, desired: Any, owned: Fields | None, parent: str, field: str) -> bool:
    if owned == {}:
        return True  # owned as a whole, with what it contains
    if isinstance(live, Mapping):
        wanted = desired if isinstance(desired, Mapping) else {}
        return all(
            _is_tracked(value, wanted.get(key), (owned or {}).get(f"f:{key}"), field, key)
            for key, value in live.items()
        )
    if isinstance(live, list):
        return _is_list_tracked(live, desired, owned, list_keys(parent, field), field)
    return owned is not None or desired is not None or live is not True or field in _DEFAULT_TRUE


def _is_list_tracked(live: list[Any], desired: Any, owned: Fields | None, keys: tuple[str, ...], field: str) -> bool:
    wanted = desired if isinstance(desired, list) else []
    if not keys:
        # A writer replaces the list as a whole.
        return not live or bool(wanted) or owned is not None
    by_key = {_identity(item, keys): item for item in wanted}
    sets = {_owned_identity(name, keys): below for name, below in (owned or {}).items() if name.startswith("k:")}
    for item in live:
        identity = _identity(item, keys)
        if identity not in by_key and identity not in sets:
            return False
        if not _is_tracked(item, by_key.get(identity), sets.get(identity), field, ""):
            return False
    return True


def _identity(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key, _KEY_DEFAULTS.get(key)) for key in keys)


def _owned_identity(name: str, keys: tuple[str, ...]) -> tuple[Any, ...]:
    try:
        found = json.loads(name.removeprefix("k:"))
    except ValueError:
        return ()
    return _identity(found, keys) if isinstance(found, dict) else ()
