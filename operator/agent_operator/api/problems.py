"""What keeps an agent from being as its spec says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A condition's reason and message. `stalls`: the operator cannot solve it by trying again."""

    reason: str
    message: str
    stalls: bool = False
