"""resource.Quantity: parsing, comparison, and the canonical form that the API server stores."""

import re
from decimal import ROUND_CEILING, ROUND_UP, Context, Decimal
from functools import lru_cache
from typing import Final

PATTERN_MESSAGE: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_TEXT: Final = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(|Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)$")
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO: Final = Decimal(1).scaleb(-9)
_CONTEXT: Final = Context(prec=60, Emax=60, Emin=-60, rounding=ROUND_UP)
"""Room for anything real; an exponent beyond it would only cost memory."""
Number = str | int | float | Decimal


def _split(text: Number) -> tuple[Decimal, str]:
    """Split into value and suffix. Raises ValueError if it is not a quantity."""
    found = _TEXT.match(str(text))
    if found is None:
        raise ValueError(PATTERN_MESSAGE)
    number, suffix = found.groups()
    try:
        value = _CONTEXT.multiply(Decimal(number), _factor(suffix))
        return _CONTEXT.quantize(value, _NANO) if _CONTEXT.remainder(value, _NANO) else value, suffix
    except ArithmeticError as error:  # too many digits
        raise ValueError(PATTERN_MESSAGE) from error


def _factor(suffix: str) -> Decimal:
    if suffix in _DECIMAL:
        return _CONTEXT.scaleb(Decimal(1), _DECIMAL[suffix])
    if suffix in _BINARY:
        return Decimal(1024) ** _BINARY.index(suffix)
    return _CONTEXT.scaleb(Decimal(1), int(suffix[1:]))


def parse(text: Number) -> Decimal:
    """Parse a quantity. Raises ValueError with the message of the API server."""
    return _split(text)[0]


def compare(one: Number, two: Number) -> int:
    """Compare two quantities: -1, 0 or 1."""
    left, right = parse(one), parse(two)
    return (left > right) - (left < right)


def divided(amount: Number, divisor: Number) -> int:
    """Divide and round up, as in a resourceFieldRef; a divisor of 0 counts as 1."""
    return int((parse(amount) / (parse(divisor) or Decimal(1))).to_integral_value(ROUND_CEILING))


@lru_cache(maxsize=1024)
def canonical(text: Number) -> str:
    """The shortest exact text with the same kind of suffix: "2000m" → "2", "2048Mi" → "2Gi"."""
    value, suffix = _split(text)
    if value == 0:
        return "0"
    if suffix in _BINARY[1:] and value % 1 == 0 and abs(value) >= 1024:  # noqa: PLR2004 - one Ki
        return _binary(int(value))
    if suffix[:1] in {"e", "E"} and suffix != "E":
        return _scaled(value, {f"e{power}" if power else "": power for power in range(-9, 19, 3)})
    return _scaled(value, _DECIMAL)


def _binary(value: int) -> str:
    power = 0
    while value % 1024 == 0 and power < len(_BINARY) - 1:
        value //= 1024
        power += 1
    return f"{value}{_BINARY[power]}"


def _scaled(value: Decimal, suffixes: dict[str, int]) -> str:
    """Format with the largest suffix that leaves an integer."""
    for suffix, power in sorted(suffixes.items(), key=lambda item: -item[1]):
        scaled = _CONTEXT.scaleb(value, -power)
        if scaled == scaled.to_integral_value(context=_CONTEXT):
            return f"{int(scaled)}{suffix}"
    return f"{value:f}"
