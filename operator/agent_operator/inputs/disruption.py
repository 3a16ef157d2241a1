"""A disruption budget that protects an agent and yet lets every node be drained in the end."""

from dataclasses import dataclass

from agent_operator.api.v1alpha1.workload import DisruptionBudget

DEFAULT_MIN_AVAILABLE = 2
_ALL = 100


@dataclass(frozen=True, slots=True)
class Budget:
    """One of the two is set, as an integer or a percentage. `lowered`: the CR asked for one that blocks drains."""

    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    lowered: bool = False


def budget(wanted: DisruptionBudget | None, fewest: int) -> Budget:
    """Return the budget to set.

    Args:
        wanted: what the CR says.
        fewest: the fewest pods there are while nothing is wrong. More pods only make a budget easier to keep, so
            one that lets a pod go at this number does at every number.
    """
    asked = wanted or DisruptionBudget()
    if asked.max_unavailable is not None:
        unavailable = _number(asked.max_unavailable)
        if _share(unavailable, fewest or 1) == 0:
            return Budget(max_unavailable=1, lowered=True)
        return Budget(max_unavailable=_at_most_all(unavailable))
    available = DEFAULT_MIN_AVAILABLE if asked.min_available is None else _number(asked.min_available)
    if _share(available, fewest) < fewest:
        return Budget(min_available=available)
    return Budget(max_unavailable=1, lowered=fewest > 0 and asked.min_available is not None)


def _number(value: int | str) -> int | str:
    """Return a percentage as it is; Kubernetes does not take other numbers in quotes."""
    return value if isinstance(value, int) or value.endswith("%") else int(value)


def _share(value: int | str, pods: int) -> int:
    """Return the number of pods meant; of a percentage the next whole number, as Kubernetes rounds."""
    return value if isinstance(value, int) else -(-int(value[:-1]) * pods // _ALL)


def _at_most_all(value: int | str) -> int | str:
    """Kubernetes refuses more than 100%."""
    return value if isinstance(value, int) or int(value[:-1]) <= _ALL else f"{_ALL}%"
