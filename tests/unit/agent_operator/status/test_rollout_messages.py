"""What the operator logs about rollouts."""

import pytest

from agent_operator.api.v1alpha1.rollout import CanaryStatus, RolledBack, RolloutStatus
from agent_operator.status.rollout_messages import transition

NOW = "2026-01-01T00:00:00Z"
STABLE = RolloutStatus(target="a", stable="a")
STEP = CanaryStatus(revision="b", step=0, weight=20, phase="Starting", since=NOW)
CANARY = RolloutStatus(target="b", stable="a", canary=STEP)
RECORD = RolledBack(revision="b", to="a", reason="CrashLoop", message="pod p ends", time=NOW)
FAILED = RolloutStatus(target="b", stable="a", rolled_back=RECORD)


def step(**changes: object) -> RolloutStatus:
    return CANARY.model_copy(update={"canary": STEP.model_copy(update=changes)})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (STABLE, STABLE, ""),
        (RolloutStatus(target="b", stable="b"), STABLE, "revision a is the stable revision"),
        (STABLE, RolloutStatus(target="b", stable="a"), "rollout of revision b"),
        (STABLE, CANARY, "canary: step 1: 20 % for revision b: Starting"),
        (
            CANARY,
            step(phase="Watching", message="1/5 samples"),
            "canary: step 1: 20 % for revision b: Watching: 1/5 samples",
        ),
        (step(phase="Watching"), step(phase="Watching", message="2/5 samples"), ""),
        (CANARY, RolloutStatus(target="b", stable="b"), "revision b is the stable revision"),
        (
            CANARY,
            FAILED,
            (
                "rolled back from revision b to a: CrashLoop: pod p ends; correct the spec, or try again with "
                "`agentctl retry`"
            ),
        ),
        (FAILED, RolloutStatus(target="c", stable="a"), "rollout of revision c"),
    ],
)
def test_each_change_is_described_once(before: RolloutStatus, after: RolloutStatus, expected: str) -> None:
    assert transition(before, after) == expected
