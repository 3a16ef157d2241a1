"""The strategy of a Deployment: how it replaces its pods."""

from typing import Any

from agent_operator.api.v1alpha1.rollout import RollingUpdate, Rollout
from agent_operator.inputs.quantities import int_or_percent

DEFAULT_SURGE = 1


def strategy(rollout: Rollout | None) -> dict[str, Any]:
    """Return the strategy of the Deployment."""
    if rollout and rollout.strategy == "Recreate":
        return {"type": "Recreate"}
    surge, unavailable = surge_and_unavailable(rollout)
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def surge_and_unavailable(rollout: Rollout | None) -> tuple[int | str, int | str]:
    """Return maxSurge and maxUnavailable. Without a surge, a rollout can progress only if a pod may be unavailable."""
    requested = (rollout and rollout.rolling_update) or RollingUpdate()
    surge = DEFAULT_SURGE if requested.max_surge is None else int_or_percent(requested.max_surge)
    if requested.max_unavailable is not None:
        return surge, int_or_percent(requested.max_unavailable)
    replaces_in_place = is_zero(surge) and not (rollout and rollout.strategy == "Canary")
    return surge, 1 if replaces_in_place else 0


def is_zero(value: int | str) -> bool:
    """Return whether this is no pod."""
    return value in (0, "0%")
