"""What a HorizontalPodAutoscaler scales by, and how fast: the seed's, and what the CR adds or changes."""

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


def utilization(wanted: Autoscaling) -> dict[str, int]:
    """Return the average use to hold, in percent of the request, by resource."""
    return {
        "cpu": wanted.target_cpu_utilization_percentage or DEFAULT_CPU,
        "memory": wanted.target_memory_utilization_percentage or DEFAULT_MEMORY,
    }


def metrics(wanted: Autoscaling) -> list[dict[str, Any]]:
    """Return the further metrics of the CR, their quantities canonical.

    Raises:
        ValueError: a quantity is malformed.
    """
    made = [metric.model_dump(by_alias=True, exclude_none=True) for metric in wanted.metrics or ()]
    for target in (source["target"] for metric in made for source in metric.values() if isinstance(source, dict)):
        target |= {field: quantities.canonical(target[field]) for field in ("averageValue", "value") if field in target}
    return made


def behavior(wanted: Autoscaling) -> dict[str, Any]:
    """Return how fast to scale; a direction that the CR describes replaces the default's.

    Raises:
        ValueError: a quantity is malformed.
    """
    given = wanted.behavior.model_dump(by_alias=True, exclude_none=True) if wanted.behavior else {}
    made = {**DEFAULT_BEHAVIOR, **given}
    return {
        direction: rules | ({"tolerance": quantities.canonical(rules["tolerance"])} if "tolerance" in rules else {})
        for direction, rules in made.items()
    }
