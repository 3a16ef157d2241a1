"""Metrics and behavior of the HorizontalPodAutoscaler: defaults, and the settings of the spec."""

from collections.abc import Mapping
from typing import Any

from agent_operator.api.v1alpha1.workload import Autoscaling
from agent_operator.inputs import quantities

DEFAULT_CPU = 70
DEFAULT_MEMORY = 80
DEFAULT_BEHAVIOR: Mapping[str, Mapping[str, Any]] = {
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}],
    },
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 15},
            {"type": "Pods", "value": 4, "periodSeconds": 15},
        ],
        "selectPolicy": "Max",
    },
}


class QuantityError(ValueError):
    """A quantity is malformed.

    Attributes:
        field: its path below spec.autoscaling.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def utilization(spec: Autoscaling) -> dict[str, int]:
    """Return the target of the average utilization by resource, in percent of the requests. 0 turns a metric off."""
    cpu, memory = spec.target_cpu_utilization_percentage, spec.target_memory_utilization_percentage
    targets = {
        "cpu": DEFAULT_CPU if cpu is None else cpu,
        "memory": DEFAULT_MEMORY if memory is None else memory,
    }
    return {resource: percent for resource, percent in targets.items() if percent}


def metrics(spec: Autoscaling) -> list[dict[str, Any]]:
    """Return the additional metrics with canonical quantities.

    Raises:
        QuantityError: a quantity is malformed.
    """
    dumped = [metric.model_dump(by_alias=True, exclude_none=True) for metric in spec.metrics or ()]
    for index, metric in enumerate(dumped):
        for source, content in metric.items():
            if isinstance(content, dict):
                _make_canonical(content["target"], ("averageValue", "value"), f"metrics[{index}].{source}.target")
    return dumped


def behavior(spec: Autoscaling) -> dict[str, Any]:
    """Return the scaling behavior. A direction in the spec replaces the default of that direction.

    Raises:
        QuantityError: a quantity is malformed.
    """
    configured = spec.behavior.model_dump(by_alias=True, exclude_none=True) if spec.behavior else {}
    merged = {**DEFAULT_BEHAVIOR, **configured}
    directions = {direction: dict(rules) for direction, rules in merged.items()}
    for direction, rules in directions.items():
        _make_canonical(rules, ("tolerance",), f"behavior.{direction}")
    return directions


def _make_canonical(amounts: dict[str, Any], fields: tuple[str, ...], path: str) -> None:
    for field in fields:
        if field in amounts:
            try:
                amounts[field] = quantities.canonical(amounts[field])
            except ValueError as error:
                raise QuantityError(f"{path}.{field}", str(error)) from error
