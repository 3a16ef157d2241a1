"""Each change of a leaf of the spec is refused with its field, or has a consistent status; reverting it undoes it.

`make campaign` runs all mutations and prints the table of reliability.md. Without --campaign, it is a sample.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.campaign.environment import environment
from tests.faults.campaign.mutation_runner import MutationOutcome, MutationRunner
from tests.faults.campaign.mutation_subjects import AgentSubject, ChannelSubject, Subject
from tests.faults.campaign.mutations import Mutation, mutations
from tests.faults.campaign.scenarios import SPEC
from tests.faults.campaign.table import mutation_row

SCHEMAS: dict[str, Any] = {
    kind: schema["properties"]["spec"]
    for kind, schema in json.loads(
        (Path(__file__).parents[2] / "operator" / "agent_operator" / "api" / "schemas.json").read_text(encoding="utf-8")
    ).items()
}
# An agent with a child of every kind, and a fleet that moves in two waves.
SPECS: dict[str, Any] = {
    "AgentDeployment": SPEC
    | {
        # The fields that other fields of a section need, so that most changes are valid.
        "config": {"models": [{"name": "echo", "provider": "echo"}]},
        "podTemplate": {"spec": {"containers": [{"name": "agent"}]}},
        # The default. After a higher minimum is reverted, an autoscaler without load keeps the replicas.
        "autoscaling": {"minReplicas": 3, "maxReplicas": 4},
    },
    "AgentRuntimeChannel": {"version": "1.0.0", "waves": [{"percent": 50, "soakSeconds": 0}]},
}
FIELDS = [(kind, name) for kind, schema in SCHEMAS.items() for name in sorted(schema["properties"])]


@pytest.fixture(autouse=True)
def _no_errors_in_the_log() -> None:
    """Each mutation looks at its own log."""


@pytest.fixture(autouse=True)
def _short_delays() -> None:
    """Keep the delays of the operator on the simulated clock of the local cluster."""


@dataclass
class Mutations:
    """Runs mutations on the local cluster."""

    loop: asyncio.Runner
    runners: dict[str, MutationRunner]

    def outcomes(self, kind: str, chosen: list[Mutation]) -> list[MutationOutcome]:
        return self.loop.run(self.runners[kind].outcomes(chosen))


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mutations]:
    """A cluster, and an agent and a channel on it."""
    with environment(tmp_path_factory.mktemp("mutations"), None) as (loop, runner):
        subjects: dict[str, Subject] = {
            "AgentDeployment": AgentSubject(runner.cluster, SPECS["AgentDeployment"]),
            "AgentRuntimeChannel": ChannelSubject(runner.cluster, SPECS["AgentRuntimeChannel"]),
        }
        yield Mutations(loop, {kind: MutationRunner(runner, it, SCHEMAS[kind]) for kind, it in subjects.items()})


@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_a_reverted_change_leaves_no_trace(
    campaign: Mutations,
    kind: str,
    name: str,
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
) -> None:
    """The same children and status as those of a fresh object; no write at rest; no error in the log."""
    found = [it for it in mutations(SCHEMAS[kind], SPECS[kind]) if it.path[0] == name]
    size = len(found) if pytestconfig.getoption("--campaign") else pytestconfig.getoption("--cells")
    outcomes = campaign.outcomes(kind, sorted(found, key=lambda it: it.order)[:size])
    leaves = len({it.path for it in found})
    record_property("mutations", json.dumps(mutation_row(f"{kind} spec.{name}", leaves, outcomes)))
    assert "\n".join(f"{item.mutation}: {item.problem}" for item in outcomes if item.problem) == ""
