"""Kubernetes quantities, as far as resourceFieldRef needs them."""

from decimal import ROUND_CEILING, Decimal

_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal(10) ** -9,
    "u": Decimal(10) ** -6,
    "m": Decimal(10) ** -3,
    **{suffix: Decimal(10) ** (3 * at) for at, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(2) ** (10 * at) for at, suffix in enumerate("KMGTPE", start=1)},
}


def parsed(text: str) -> Decimal:
    """The number that `250m`, `1Gi` or `2` mean."""
    digits = text.rstrip("numkKMGTPEi")
    return Decimal(digits) * _SUFFIXES[text[len(digits) :]]


def divided(amount: str, divisor: str) -> str:
    """How many times the divisor fits, rounded up."""
    by = parsed(divisor) or Decimal(1)
    return str(int((parsed(amount) / by).to_integral_value(ROUND_CEILING)))
