"""Reads JSON of any shape. A null or a value of another type counts as empty, because others write these objects."""

from collections.abc import Iterable, Mapping
from typing import Any

_NOTHING: Mapping[str, Any] = {}


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a map; an empty one for anything else."""
    return value if isinstance(value, dict) else _NOTHING


def mappings(value: Any) -> Iterable[Mapping[str, Any]]:
    """Return the maps in a list; none if the value is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else ()


def text(value: Any) -> str:
    """Return a string; an empty one for anything else."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> int:
    """Return an integer; 0 for anything else."""
    return value if isinstance(value, int) else 0


def conditions(value: Any) -> list[dict[str, Any]]:
    """Return the conditions in a list that have a type and a status."""
    found = mappings(value)
    return [dict(it) for it in found if isinstance(it.get("type"), str) and isinstance(it.get("status"), str)]
