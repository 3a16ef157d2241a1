"""Inject every fault into every request and every event of every scenario: each run ends like one without faults.

`make campaign` runs all cells and prints the table of reliability.md. Without --campaign, each row is a sample.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.faults.campaign.environment import environment
from tests.faults.campaign.matrix import Cell, cells, rows, sample
from tests.faults.campaign.poison import CASES
from tests.faults.campaign.results import Outcome
from tests.faults.campaign.runner import Runner
from tests.faults.campaign.scenarios import SCENARIOS
from tests.faults.campaign.table import row
from tests.faults.conftest import shorten_delays


@dataclass
class Campaign:
    """The cells of all scenarios on one cluster."""

    loop: asyncio.Runner
    runner: Runner
    cells: list[Cell]

    def outcomes(self, chosen: list[Cell]) -> list[Outcome]:
        return [self.loop.run(self.runner.outcome(cell)) for cell in chosen]


@pytest.fixture(autouse=True)
def _short_delays(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the delays of the operator on the simulated clock of the local cluster."""
    if pytestconfig.getoption("--kubeconfig"):
        shorten_delays(monkeypatch)


@pytest.fixture(autouse=True)
def _no_errors_in_the_log() -> None:
    """Each cell looks at its own log."""


@pytest.fixture(scope="module")
def campaign(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """All cells, from the traffic of runs without faults."""
    with environment(tmp_path_factory.mktemp("campaign"), pytestconfig.getoption("--kubeconfig")) as (loop, runner):
        traffics = {name: loop.run(runner.reference(name)).traffic for name in SCENARIOS}
        yield Campaign(loop, runner, list(cells(traffics, CASES)))


@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("fault", tuple(rows(CASES)))
def test_every_run_ends_like_one_without_faults(
    campaign: Campaign, fault: str, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    """The same children and status; no other create, delete, scale-down or rollback; no write at rest; no error."""
    of_row = [cell for cell in campaign.cells if cell.row == fault]
    assert of_row, "no request or event has this fault"
    size = len(of_row) if pytestconfig.getoption("--campaign") else pytestconfig.getoption("--cells")
    outcomes = campaign.outcomes(sample(of_row, size))
    record_property("campaign", json.dumps(row(fault, outcomes).as_dict()))
    assert "\n".join(f"{item.cell}: {item.problem}" for item in outcomes if item.problem) == ""
    assert any(item.reached for item in outcomes)
