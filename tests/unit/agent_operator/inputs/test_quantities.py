"""Quantities are converted to the canonical form of the API server."""

from decimal import Decimal

import pytest

from agent_operator.inputs.quantities import canonical, parse
from tests.cpu_time import LIMIT, cpu_seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2000m", "2"),
        ("0.5", "500m"),
        ("1500m", "1500m"),
        (2, "2"),
        ("0", "0"),
        ("0Gi", "0"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1025Ki", "1025Ki"),
        ("1000Ki", "1000Ki"),
        ("0.5Ki", "512"),
        ("1023", "1023"),
        ("1.1Ki", "1126400m"),
        ("100000", "100k"),
        ("1e3", "1e3"),
        ("5e2", "500"),
        ("0.0001e3", "100e-3"),
        ("-1Gi", "-1Gi"),
        ("+.5", "500m"),
        ("0.1n", "1n"),
        ("100E", "9223372036854775807"),
    ],
)
def test_quantity_is_canonical(text: str | int, expected: str) -> None:
    assert canonical(text) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize(
    "text",
    ["1" * 30_000 + "x", "1" * 65, "٣", "", "x", "m", "1mm", "1Xi", "1 Gi", "1e", "1e1.5", "Gi", "1gi", "--1", "1\n"],
)
def test_invalid_quantity_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("500m", "0.5"), ("2", "2"), ("1Ki", "1024"), ("1e3", "1000"), ("3n", "3E-9"), ("-1.5G", "-1500000000")],
)
def test_amount_is_parsed(text: str, amount: str) -> None:
    assert parse(text) == Decimal(amount)


def test_quantities_compare_by_amount() -> None:
    assert parse("1Gi") > parse("1G") > parse("999M")
    assert parse("500m") == parse("0.5")


def test_time_does_not_depend_on_the_number_of_digits() -> None:
    def convert() -> None:
        assert canonical(10**100_000) == "9223372036854775807"
        for text in ("1" * 1_000_000 + "x", "." + "0" * 1_000_000, "1e" + "9" * 1_000_000):
            with pytest.raises(ValueError, match="longer than 64 characters"):
                canonical(text)

    assert cpu_seconds(convert) < LIMIT
