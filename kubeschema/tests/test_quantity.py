"""Quantities are parsed, compared and formatted like by resource.Quantity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeschema import quantity

CANONICAL = [
    ("2000m", "2"),
    ("2048Mi", "2Gi"),
    ("500m", "500m"),
    ("0.5", "500m"),
    ("1.5Gi", "1536Mi"),
    ("1000", "1k"),
    ("1024", "1024"),
    ("1024Ki", "1Mi"),
    ("0", "0"),
    ("0m", "0"),
    ("-2000m", "-2"),
    ("1e3", "1e3"),
    ("0.1Ki", "102400m"),
    ("100M", "100M"),
    (2, "2"),
    (0.25, "250m"),
]


@pytest.mark.parametrize(("given", "wanted"), CANONICAL)
def test_canonical(given: str | float, wanted: str) -> None:
    """The shortest exact text with the same kind of suffix."""
    assert quantity.canonical(given) == wanted


@pytest.mark.parametrize("text", ["lots", "", "1 Gi", "1Xi", "--1", "1.2.3", "1e99999999"])
def test_not_a_quantity(text: str) -> None:
    """The message is that of the server."""
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        quantity.parse(text)


@given(st.integers(-(10**12), 10**12), st.sampled_from(["m", "", "k", "Ki", "Mi", "Gi", "M"]))
def test_canonical_is_the_same_amount_and_stable(number: int, suffix: str) -> None:
    """Canonical text has the same value and is canonical."""
    text = quantity.canonical(f"{number}{suffix}")
    assert quantity.compare(text, f"{number}{suffix}") == 0
    assert quantity.canonical(text) == text


def test_compare() -> None:
    assert quantity.compare("1Gi", "1G") == 1
    assert quantity.compare("999m", "1") == -1
