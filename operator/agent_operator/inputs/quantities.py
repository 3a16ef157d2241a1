"""Kubernetes quantities in the canonical form of the API server: it stores `2000m` as `2`, and `1024Mi` as `1Gi`.

A manifest in another form would differ from the live object forever.
"""

import re
from decimal import ROUND_CEILING, Decimal

# Arithmetic with more digits takes quadratic time. The largest quantity of Kubernetes has 19.
MAX_CHARS = 64
_QUANTITY = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,3}))?", re.ASCII)
_BINARY = {"": 0, "Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO = Decimal("1e-9")
_MAX = Decimal(2**63 - 1)


def _parse(text: str | int) -> tuple[Decimal, str | None, str | None]:
    """Return amount, binary suffix and exponent. Rounds up to nano and caps the amount, like the API server."""
    if isinstance(text, int):
        # str() rejects an integer of more than 4,300 digits, and needs quadratic time for a shorter one.
        text = str(max(-(2**63), min(2**63, text)))
    if len(text) > MAX_CHARS:
        raise ValueError(f"longer than {MAX_CHARS} characters, and not a quantity such as 500m, 2 or 1Gi")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError("not a quantity such as 500m, 2 or 1Gi")
    number, binary, decimal, exponent = match.groups()
    scale = Decimal(2) ** _BINARY[binary or ""] * Decimal(10) ** (_DECIMAL[decimal or ""] + int(exponent or 0))
    amount = max(-_MAX, min(_MAX, Decimal(number) * scale))
    if amount != amount.to_integral_value():
        amount = amount.quantize(_NANO, rounding=ROUND_CEILING)
    return amount, binary, exponent


def int_or_percent(value: int | str) -> int | str:
    """Convert a quoted integer, which Kubernetes rejects; return a percentage without leading zeros."""
    if isinstance(value, int):
        return value
    return f"{int(value[:-1])}%" if value.endswith("%") else int(value)


def parse(text: str | int) -> Decimal:
    """Return the amount.

    Raises:
        ValueError: the text is not a quantity.
    """
    return _parse(text)[0]


def canonical(text: str | int) -> str:
    """Return the quantity in its canonical form.

    Raises:
        ValueError: the text is not a quantity.
    """
    amount, binary, exponent = _parse(text)
    if not amount:
        return "0"
    if binary and abs(amount) >= 2**10 and amount == amount.to_integral_value():
        return _with_suffix(int(amount), 2**10, _BINARY)
    digits = _with_suffix(int(amount.scaleb(9)), 1000, _DECIMAL)
    if exponent is None:
        return digits
    suffix = digits.lstrip("+-0123456789")
    return digits.removesuffix(suffix) + (f"e{_DECIMAL[suffix]}" if suffix else "")


def _with_suffix(amount: int, step: int, suffixes: dict[str, int]) -> str:
    """Format an integer in the smallest unit with the largest suffix that keeps it an integer."""
    names = list(suffixes)
    position = 0
    while amount % step == 0 and position < len(names) - 1:
        amount //= step
        position += 1
    return f"{amount}{names[position]}"
