"""How many pods may be missing: during evictions (PodDisruptionBudget) and during rollouts (strategy of a Deployment).

The budget protects an agent but never blocks a drain forever.
"""

from dataclasses import dataclass
from typing import Any

from agent_operator.api.v1alpha1.rollout import RollingUpdate, Rollout
from agent_operator.api.v1alpha1.workload import DisruptionBudget
from agent_operator.inputs.quantities import int_or_percent

DEFAULT_MIN_AVAILABLE = 2
DEFAULT_SURGE = 1
_ALL = 100


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget to set.

    Attributes:
        min_available: integer or percentage; None if max_unavailable is set.
        max_unavailable: integer or percentage; None if min_available is set.
        lowered: whether the spec requests a budget that would block every drain.
    """

    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    lowered: bool = False


def budget(spec: DisruptionBudget | None, replicas: int) -> Budget:
    """Return the budget to set.

    Args:
        spec: spec.disruptionBudget.
        replicas: minimum number of desired pods. A budget that allows an eviction at this number allows one at every
            larger number.
    """
    requested = spec or DisruptionBudget()
    if requested.max_unavailable is not None:
        unavailable = int_or_percent(requested.max_unavailable)
        if _pods(unavailable, replicas or 1) == 0:
            return Budget(max_unavailable=1, lowered=True)
        return Budget(max_unavailable=_at_most_all(unavailable))
    available = DEFAULT_MIN_AVAILABLE if requested.min_available is None else int_or_percent(requested.min_available)
    if _pods(available, replicas) < replicas:
        return Budget(min_available=available)
    return Budget(max_unavailable=1, lowered=replicas > 0 and requested.min_available is not None)


def _pods(value: int | str, replicas: int) -> int:
    """Return the number of pods. Round a percentage up, like Kubernetes."""
    return value if isinstance(value, int) else -(-int(value[:-1]) * replicas // _ALL)


def _at_most_all(value: int | str) -> int | str:
    """Limit a percentage to 100 %: Kubernetes rejects more."""
    return value if isinstance(value, int) or int(value[:-1]) <= _ALL else f"{_ALL}%"


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
