"""Compute resources of a pod. Defaults adapt to the values in the spec, so that requests never exceed limits."""

from collections.abc import Mapping

from agent_operator.api.v1alpha1.workload import ResourceAmounts, Resources
from agent_operator.inputs import quantities

DEFAULT_REQUESTS: Mapping[str, str] = {"cpu": "500m", "memory": "1Gi"}
DEFAULT_LIMITS: Mapping[str, str] = {"cpu": "2", "memory": "2Gi"}


def configured(amounts: ResourceAmounts | None) -> dict[str, str | int]:
    """Return the amounts in the spec."""
    return amounts.model_dump(by_alias=True, exclude_none=True) if amounts else {}


def resources(spec: Resources | None) -> dict[str, dict[str, str]]:
    """Return `requests` and `limits` with defaults, as canonical quantities.

    Raises:
        ValueError: a quantity is malformed.
    """
    section = spec or Resources()
    requests, limits = configured(section.requests), configured(section.limits)
    default_limits = {
        name: max(default, requests.get(name, default), key=quantities.parse)
        for name, default in DEFAULT_LIMITS.items()
    }
    default_requests = {
        name: min(default, limits.get(name, default), key=quantities.parse)
        for name, default in DEFAULT_REQUESTS.items()
    }
    return {
        "requests": {name: quantities.canonical(amount) for name, amount in (default_requests | requests).items()},
        "limits": {name: quantities.canonical(amount) for name, amount in (default_limits | limits).items()},
    }
