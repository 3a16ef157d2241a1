"""Formats values for the cells of tables."""

from datetime import datetime
from typing import Any

from localkube import clock
from localkube.meta.status import Object

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}
# Limit in seconds, then the unit, and the unit of the rest.
_STEPS = (
    (120, "s", ""),
    (600, "m", "s"),
    (3 * 3600, "m", ""),
    (8 * 3600, "h", "m"),
    (48 * 3600, "h", ""),
    (8 * 86400, "d", "h"),
    (730 * 86400, "d", ""),
    (8 * 365 * 86400, "y", "d"),
    (float("inf"), "y", ""),
)


def age(moment: Any, until: Any = None) -> str:
    """Format the time since an RFC 3339 timestamp, or between two: `5s`, `3m12s`, `4h`, `7d`."""
    if not isinstance(moment, str):
        return UNKNOWN
    try:
        then = datetime.fromisoformat(moment)
        end = datetime.fromisoformat(until) if isinstance(until, str) else clock.now()
    except ValueError:
        return "<invalid>"
    return duration((end - then).total_seconds())


def duration(seconds: float) -> str:
    """Format seconds like duration.HumanDuration of apimachinery."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    unit, finer = next((unit, finer) for limit, unit, finer in _STEPS if total < limit)
    rest = total % _SECONDS[unit] // _SECONDS[finer] if finer else 0
    return f"{total // _SECONDS[unit]}{unit}" + (f"{rest}{finer}" if rest else "")


def selector(value: Any) -> str:
    """Format a label selector or a map of labels."""
    if not value:
        return NONE
    if "matchLabels" not in value and "matchExpressions" not in value:
        return ",".join(f"{k}={v}" for k, v in sorted(value.items()))
    parts = [f"{k}={v}" for k, v in sorted((value.get("matchLabels") or {}).items())]
    for term in value.get("matchExpressions") or ():
        key, values = term["key"], ",".join(sorted(term.get("values") or ()))
        words = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        parts.append(words.get(term["operator"], key))
    return ",".join(parts) or NONE


def containers(template: Object) -> tuple[str, str]:
    """The names and images of the containers of a pod template."""
    found = ((template.get("spec") or {}).get("containers")) or []
    return ",".join(c.get("name", "") for c in found), ",".join(c.get("image", "") for c in found)


def condition(obj: Object, kind: str) -> Object | None:
    """The condition of a type; empty if there is none."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == kind), None)


def name_age(obj: Object) -> tuple[str, str]:
    """The first and last cell of most tables."""
    return obj["metadata"]["name"], age(obj["metadata"].get("creationTimestamp"))
