"""Kubernetes objects as the JSON that kubectl prints."""

from typing import Any

Object = dict[str, Any]


def nested_field(value: Any, *path: str) -> Any:
    """Return the value at a path of keys, or None if a key is missing; every value on the path may be of any type."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
