"""Validation of the behavior and the targets of HorizontalPodAutoscalers."""

from typing import Any, Final

from kubeschema.errors import Cause, invalid, not_supported, required

Object = dict[str, Any]

_SELECT: Final = ("Disabled", "Max", "Min")
_POLICIES: Final = ("Percent", "Pods")
_LONGEST_WINDOW: Final = 3600
_LONGEST_PERIOD: Final = 1800
_VALUES: Final = {"AverageValue": "averageValue", "Value": "value", "Utilization": "averageUtilization"}


def behavior(given: Object, path: str) -> list[Cause]:
    """Validate spec.behavior."""
    out = []
    for direction in ("scaleUp", "scaleDown"):
        if given.get(direction) is not None:
            out += _rules(given[direction], f"{path}.{direction}")
    return out


def _rules(rules: Object, path: str) -> list[Cause]:
    out = []
    window, select = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    if window is not None and window < 0:
        out.append(invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero"))
    if window is not None and window > _LONGEST_WINDOW:
        message = f"must be less than or equal to {_LONGEST_WINDOW}"
        out.append(invalid(f"{path}.stabilizationWindowSeconds", window, message))
    if select is not None and select not in _SELECT:
        out.append(not_supported(f"{path}.selectPolicy", select, _SELECT))
    for at, policy in enumerate(rules.get("policies") or ()):
        out += _policy(policy, f"{path}.policies[{at}]")
    return out


def _policy(policy: Object, path: str) -> list[Cause]:
    kind, value, period = policy.get("type"), policy.get("value", 0), policy.get("periodSeconds", 0)
    out = [] if kind in _POLICIES else [not_supported(f"{path}.type", kind, _POLICIES)]
    for field, number in (("value", value), ("periodSeconds", period)):
        if number <= 0:
            out.append(invalid(f"{path}.{field}", number, "must be greater than zero"))
    if period > _LONGEST_PERIOD:
        out.append(invalid(f"{path}.periodSeconds", period, f"must be less than or equal to {_LONGEST_PERIOD}"))
    return out


def has_value(target: Object, path: str) -> list[Cause]:
    """Validate that the target of a metric has a value of its type."""
    kind = target.get("type", "")
    if kind not in _VALUES:
        return [invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")]
    field = _VALUES[kind]
    if target.get(field) is not None:
        return []
    return [required(f"{path}.{field}", "must specify a positive target " + field)]
