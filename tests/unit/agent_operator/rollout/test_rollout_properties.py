"""Whatever happens, in whatever order: at last an agent runs what it is asked for, or what was good, and says which."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import Canary, CanaryStep, Pause, Rollout, RolloutStatus
from agent_operator.rollout.analysis.thresholds import AnalysisPhase, AnalysisResult
from agent_operator.rollout.checks_job import ChecksResult
from agent_operator.rollout.revisions import RevisionRecord
from agent_operator.rollout.state import RolloutInputs
from agent_operator.rollout.state_machine import decide
from agent_operator.status.observed import Pods

NOW = "2026-11-23T08:00:00Z"
TROUBLE = Problem(Reason.CRASH_LOOP, "", "it crashes")
STEPS = tuple(CanaryStep(weight=weight, pause=Pause(duration_seconds=10)) for weight in (20, 50))


def pods(ready: bool) -> Pods:
    return Pods(2, total=2, updated=2, ready=2 * ready, available=2 * ready, observed=True)


class Agent(RuleBasedStateMachine):
    """A cluster that does at once what is decided, and an operator that may be killed before it wrote anything."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: set[str] = set()
        self.wrong: set[str] = set()
        self.records: list[str] = []
        self.good: str | None = None
        self.running_revision, self.canary = "", ""
        self.target, self.count = "r0", 0
        self.strategy = "Canary"
        self.state = RolloutStatus()
        self.elapsed = 0.0
        self.passes()

    def look(self, **more: Any) -> RolloutInputs:
        stable_ready, canary_ready = self.running_revision not in self.bad, self.canary not in self.bad
        checking = self.state.canary is not None and self.state.canary.phase == "Checking"
        checks = ChecksResult(passed=self.target not in self.wrong, message="said")
        steps = Canary(steps=STEPS) if self.strategy == "Canary" else None
        given: dict[str, Any] = {
            "target": self.target,
            "inputs_hash": self.target,
            "spec_hash": self.target,
            "now": NOW,
            "rollout": Rollout(strategy=self.strategy, canary=steps),
            "records": tuple(RevisionRecord(it, n, it, it, "1") for n, it in reversed(list(enumerate(self.records)))),
            "last_good": self.good,
            "running_revision": self.running_revision,
            "stable": pods(stable_ready) if self.running_revision else Pods(),
            "canary": pods(canary_ready) if self.canary == self.target else Pods(),
            "failures": {it: TROUBLE for it in (self.running_revision, self.canary) if it in self.bad},
            "has_checks": True,
            "checks": checks if checking else None,
            "analysis": AnalysisResult(AnalysisPhase.SUCCESSFUL, "well"),
            "elapsed": 11.0,
        }
        return RolloutInputs(**(given | more))

    def act(self) -> None:
        """What an apply does; good is what was wholly ready."""
        if self.target not in self.records:
            self.records.append(self.target)
        self.running_revision = self.state.stable or ""
        self.canary = self.state.canary.revision if self.state.canary else ""
        if self.running_revision not in self.bad:
            self.good = self.running_revision

    @rule()
    def passes(self) -> None:
        """One pass, to its end."""
        self.state = decide(self.look(), self.state)
        self.act()

    @rule()
    def is_killed_before_it_acts(self) -> None:
        """The decision is on record, and nothing else."""
        self.state = decide(self.look(), self.state)

    @rule(bad=st.booleans(), wrong=st.booleans())
    def spec_changes(self, bad: bool, wrong: bool) -> None:
        self.count += 1
        self.target = f"r{self.count}"
        self.bad |= {self.target} if bad else set()
        self.wrong |= {self.target} if wrong else set()

    @rule(data=st.data())
    @precondition(lambda self: self.records)
    def spec_goes_back(self, data: Any) -> None:
        self.target = data.draw(st.sampled_from(self.records))

    @rule(strategy=st.sampled_from(["Canary", "RollingUpdate"]))
    def strategy_changes(self, strategy: str) -> None:
        self.strategy = strategy

    @rule(command=st.sampled_from(["pause", "resume", "promote", "promote-full", "abort", "retry", "rollback"]))
    def is_told(self, command: str) -> None:
        self.state = decide(self.look(command=command), self.state)
        self.act()
        self.state = decide(self.look(), self.state)

    @invariant()
    def truth(self) -> None:
        rolled = self.state.rolled_back
        if rolled is not None:
            assert self.state.stable == rolled.to
            assert self.state.canary is None

    def teardown(self) -> None:
        """Left alone it ends: all of the new revision, or all of one that was good, and the status says so."""
        self.state = self.state.model_copy(update={"paused": None})
        for _ in range(20):
            self.passes()
        before = self.state
        self.passes()
        assert self.state == before
        assert self.state.canary is None
        ended_well = self.running_revision == self.target
        pinned = self.state.rolled_back is not None
        assert ended_well or pinned
        if ended_well and self.target in self.bad:
            # There was nothing good to return to.
            assert self.good is None or not any(it == self.good for it in self.records) or self.good == self.target


TestAgent = Agent.TestCase
TestAgent.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
