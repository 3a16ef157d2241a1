"""What a pod asks for and may use. A default gives way to what the CR says, so that the two never contradict."""

from collections.abc import Mapping

from agent_operator.api.v1alpha1.workload import ResourceAmounts, Resources
from agent_operator.inputs import quantities

DEFAULT_REQUESTS: Mapping[str, str] = {"cpu": "500m", "memory": "1Gi"}
DEFAULT_LIMITS: Mapping[str, str] = {"cpu": "2", "memory": "2Gi"}


def given(amounts: ResourceAmounts | None) -> dict[str, str | int]:
    """Return what the CR itself says."""
    return amounts.model_dump(by_alias=True, exclude_none=True) if amounts else {}


def resources(wanted: Resources | None) -> dict[str, dict[str, str]]:
    """Return `requests` and `limits`, complete and canonical.

    Raises:
        ValueError: a quantity is malformed.
    """
    asked = wanted or Resources()
    requests, limits = given(asked.requests), given(asked.limits)
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
