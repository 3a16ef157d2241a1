"""Prices of models, from a file that others write and change."""

import logging
import os
from pathlib import Path

import pytest

from agent_runtime.agent.prices import Prices
from agent_runtime.config.prices import MAX_FILE_BYTES
from agent_runtime.health import UnhealthyError

TOML = """
currency = "EUR"
[models.fast]
input = 1.0
output = 10.0
cached_input = 0.5
[models."gpt-4.1"]
input = 2.0
output = 8.0
"""


def prices(file: Path) -> Prices:
    return Prices(file, {"fast": "gpt-4.1", "large": "gpt-4.1", "free": "unknown"})


@pytest.mark.parametrize(
    ("model", "tokens", "cost"),
    [
        ("fast", (1_000_000, 0, 0), 1),
        ("fast", (1_000_000, 100_000, 400_000), 0.6 + 0.2 + 1),
        ("fast", (10, 0, 10**9), 10 * 0.5 / 1e6),
        ("large", (1_000_000, 1_000_000, 500_000), 10),
        ("free", (1_000_000, 1_000_000, 0), 0),
        ("other", (1, 1, 0), 0),
    ],
)
def test_the_name_in_the_config_comes_before_the_name_upstream(
    model: str, tokens: tuple[int, int, int], cost: float, tmp_path: Path
) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(TOML)

    assert prices(file).currency == "EUR"
    assert prices(file).cost(model, *tokens) == pytest.approx(cost)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"[models.fast", "table"),
        (b"a = " + b"[" * 20_000, "nested"),
        (b"\xff", "utf-8"),
        (b"[models.fast]\ninput = -1\noutput = 1", "input"),
        (b"[models.fast]\ninput = nan\noutput = 1", "input"),
        (b"[models.fast]\ninput = 1", "output"),
        (b"currency = 'euro'", "currency"),
        (b"price = 1", "price"),
        (b"#" * (MAX_FILE_BYTES + 1), "bytes"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_broken_file_keeps_the_former_prices_and_is_logged_once(
    content: bytes, error: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(TOML)
    found = prices(file)
    file.write_bytes(content)
    os.utime(file, ns=(1, 1))

    with caplog.at_level(logging.WARNING):
        found.refresh()
        found.refresh()

    assert found.cost("fast", 1_000_000, 0, 0) == 1
    (record,) = caplog.records
    assert error.lower() in str(vars(record)["fields"]["error"]).lower()


def test_a_missing_file_costs_nothing_until_it_exists(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    found = prices(file)
    assert found.cost("fast", 1_000_000, 0, 0) == 0

    file.write_text(TOML)
    found.refresh()

    assert found.cost("fast", 1_000_000, 0, 0) == 1


async def test_a_model_without_a_price_is_a_fault_of_a_budget_in_money(tmp_path: Path) -> None:
    """Its calls would be free for ever. The fault ends when the file has the price."""
    file = tmp_path / "prices.toml"
    file.write_text(TOML)
    found = prices(file)

    with pytest.raises(UnhealthyError, match="no price for free: ") as raised:
        await found.probe()
    assert raised.value.reason == "PriceMissing"

    file.write_text(f"{TOML}[models.free]\ninput = 0\noutput = 0\n")
    found.refresh()
    assert await found.probe() == {}


async def test_without_a_file_no_model_has_a_price(tmp_path: Path) -> None:
    """The message is short, however many models there are."""
    found = Prices(tmp_path / "missing.toml", {f"model-{number}": "m" for number in range(100)})

    with pytest.raises(UnhealthyError) as raised:
        await found.probe()

    assert len(str(raised.value)) < 200
