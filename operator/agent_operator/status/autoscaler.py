"""Why the HorizontalPodAutoscaler of an agent cannot scale. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from agent_operator.diagnosis.findings import ComponentFault

# The metrics of a new pod arrive after up to a minute, so that every new autoscaler fails at first.
_GRACE = timedelta(seconds=60)


def autoscaler_fault(conditions: Iterable[Mapping[str, Any]], now: str) -> ComponentFault | None:
    """Return why the HorizontalPodAutoscaler cannot scale; None if it can, or if it is new.

    Args:
        conditions: its conditions ScalingActive and AbleToScale, if they are false.
        now: RFC 3339 in UTC.
    """
    for condition in conditions:
        if _waited(condition, now) >= _GRACE:
            message = f"{condition.get('message') or 'it cannot scale'}: check the metrics server and spec.autoscaling"
            return ComponentFault("autoscaler", condition.get("reason") or condition["type"], message)
    return None


def autoscaler_delay(conditions: Iterable[Mapping[str, Any]], now: str) -> float | None:
    """Return seconds until a failure of the autoscaler is to be reported; None if there is none to wait for."""
    delays = [(_GRACE - _waited(condition, now)).total_seconds() for condition in conditions]
    return min((delay for delay in delays if delay > 0), default=None)


def _waited(condition: Mapping[str, Any], now: str) -> timedelta:
    try:
        return datetime.fromisoformat(now) - datetime.fromisoformat(condition["lastTransitionTime"])
    except (KeyError, ValueError, TypeError):
        return _GRACE
