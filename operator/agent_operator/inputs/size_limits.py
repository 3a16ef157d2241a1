"""Limits on what a spec contains. They are checked first, because every later step takes time for each value.

A pass takes up to 15 µs of CPU for each value, so a spec within these limits takes less than 100 ms in each step.
"""

from collections.abc import Mapping
from typing import Any

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason

MAX_VALUES = 5_000
"""Fields and items of a spec. A large spec has some hundred."""
MAX_DEPTH = 64
MAX_NAME_CHARS = 1_024
"""Length of a field name, and of a value of a field `name`. Messages and paths contain these."""
MAX_CONFIG_CHARS = 256 * 1024
"""Length of all text in spec.config. agent.toml is written character by character."""
_CONTAINERS = ("containers", "initContainers")
MAX_CONTAINERS = 64
"""Each container of a pod template gets about ten further fields."""


def find_excess(spec: Any) -> Problem | None:
    """Return the limit that a spec exceeds; None if it exceeds none. The time is limited, whatever the size."""
    left = MAX_VALUES
    for field, value in spec.items() if isinstance(spec, Mapping) else ():
        used, fault = measure(value, left)
        if fault is None and field == "config" and _text_chars(value) > MAX_CONFIG_CHARS:
            fault = f"has more than {MAX_CONFIG_CHARS} characters: shorten it"
        if fault is None and field == "podTemplate":
            fault = _too_many_containers(value)
        if fault is not None:
            return Problem(SpecReason.SPEC_TOO_LARGE, f"spec.{field[:MAX_NAME_CHARS]}", fault)
        left -= used
    return None


def measure(value: Any, limit: int = MAX_VALUES) -> tuple[int, str | None]:
    """Count the values in JSON, level by level.

    Returns:
        The number of values that were counted, and the limit that the value exceeds; None if it exceeds none.
    """
    level, count = [value], 0
    for _ in range(MAX_DEPTH):
        count += len(level)
        if count > limit:
            return count, f"has too many fields and items; a spec may have {MAX_VALUES} of them: shorten it"
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                name = item.get("name")
                if max(map(len, item), default=0) > MAX_NAME_CHARS or _is_long(name):
                    return count, f"a name in it has more than {MAX_NAME_CHARS} characters: shorten it"
                below += item.values()
            elif isinstance(item, list):
                below += item
        if not below:
            return count, None
        level = below
    return count, f"is nested deeper than {MAX_DEPTH} levels: flatten it"


def _is_long(name: Any) -> bool:
    return isinstance(name, str) and len(name) > MAX_NAME_CHARS


def _text_chars(value: Any) -> int:
    """Return the length of all text in a value that `measure` has accepted."""
    if isinstance(value, dict):
        return sum(map(_text_chars, value.values()))
    return sum(map(_text_chars, value)) if isinstance(value, list) else len(value) if isinstance(value, str) else 0


def _too_many_containers(template: Any) -> str | None:
    spec = template.get("spec") if isinstance(template, dict) else None
    lists = (spec.get(kind) for kind in _CONTAINERS) if isinstance(spec, dict) else ()
    if any(isinstance(found, list) and len(found) > MAX_CONTAINERS for found in lists):
        return f"has more than {MAX_CONTAINERS} containers or initContainers: remove some"
    return None
