"""Random events in random order: an agent ends with the target, or with a rollback that its status shows."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import Canary, CanaryStep, Pause, Rollout, RolloutStatus
from agent_operator.rollout.analysis.thresholds import AnalysisPhase, AnalysisResult
from agent_operator.rollout.checks_result import ChecksResult
from agent_operator.rollout.revisions import RevisionRecord
from agent_operator.rollout.rollout_inputs import RolloutInputs
from agent_operator.rollout.state_machine import decide
from agent_operator.status.observed import Pods

NOW = "2026-11-23T08:00:00Z"
CRASH = Problem(Reason.CRASH_LOOP, "", "it crashes")
STEPS = tuple(CanaryStep(weight=weight, pause=Pause(duration_seconds=10)) for weight in (20, 50))


def pods(ready: bool) -> Pods:
    return Pods(2, total=2, updated=2, ready=2 * ready, available=2 * ready, observed=True)


class RolloutMachine(RuleBasedStateMachine):
    """A cluster that applies each decision at once, and an operator that may crash before it applies one."""

    def __init__(self) -> None:
        super().__init__()
        self.crashing: set[str] = set()
        self.failing_checks: set[str] = set()
        self.records: list[str] = []
        self.last_good: str | None = None
        self.running_revision, self.canary = "", ""
        self.target, self.count = "r0", 0
        self.strategy = "Canary"
        self.state = RolloutStatus()
        self.elapsed = 0.0
        self.reconcile()

    def inputs(self, **more: Any) -> RolloutInputs:
        stable_ready, canary_ready = self.running_revision not in self.crashing, self.canary not in self.crashing
        checking = self.state.canary is not None and self.state.canary.phase == "Checking"
        checks = ChecksResult(passed=self.target not in self.failing_checks, message="0/1 passed")
        steps = Canary(steps=STEPS) if self.strategy == "Canary" else None
        given: dict[str, Any] = {
            "target": self.target,
            "inputs_hash": self.target,
            "spec_hash": self.target,
            "now": NOW,
            "rollout": Rollout(strategy=self.strategy, canary=steps),
            "records": tuple(RevisionRecord(it, n, it, it, "1") for n, it in reversed(list(enumerate(self.records)))),
            "last_good": self.last_good,
            "running_revision": self.running_revision,
            "stable": pods(stable_ready) if self.running_revision else Pods(),
            "canary": pods(canary_ready) if self.canary == self.target else Pods(),
            "failures": {it: CRASH for it in (self.running_revision, self.canary) if it in self.crashing},
            "has_checks": True,
            "checks": checks if checking else None,
            "analysis": AnalysisResult(AnalysisPhase.SUCCESSFUL, "no errors"),
            "elapsed": 11.0,
        }
        return RolloutInputs(**(given | more))

    def apply(self) -> None:
        """Apply the decision. All pods are ready at once, unless their revision crashes."""
        if self.target not in self.records:
            self.records.append(self.target)
        self.running_revision = self.state.stable or ""
        self.canary = self.state.canary.revision if self.state.canary else ""
        if self.running_revision not in self.crashing:
            self.last_good = self.running_revision

    @rule()
    def reconcile(self) -> None:
        """Decide and apply."""
        self.state = decide(self.inputs(), self.state)
        self.apply()

    @rule()
    def crash_before_apply(self) -> None:
        """Decide, write the status, and crash."""
        self.state = decide(self.inputs(), self.state)

    @rule(crashes=st.booleans(), fails_checks=st.booleans())
    def spec_changes(self, crashes: bool, fails_checks: bool) -> None:
        self.count += 1
        self.target = f"r{self.count}"
        self.crashing |= {self.target} if crashes else set()
        self.failing_checks |= {self.target} if fails_checks else set()

    @rule(data=st.data())
    @precondition(lambda self: self.records)
    def spec_is_reverted(self, data: Any) -> None:
        self.target = data.draw(st.sampled_from(self.records))

    @rule(strategy=st.sampled_from(["Canary", "RollingUpdate"]))
    def strategy_changes(self, strategy: str) -> None:
        self.strategy = strategy

    @rule(command=st.sampled_from(["pause", "resume", "promote", "promote-full", "abort", "retry", "rollback"]))
    def user_sets_command(self, command: str) -> None:
        self.state = decide(self.inputs(command=command), self.state)
        self.apply()
        self.state = decide(self.inputs(), self.state)

    @invariant()
    def rollback_is_in_effect(self) -> None:
        rollback = self.state.rolled_back
        if rollback is not None:
            assert self.state.stable == rollback.to
            assert self.state.canary is None

    def teardown(self) -> None:
        """Without further events, the rollout ends with the target or with a rollback."""
        self.state = self.state.model_copy(update={"paused": None})
        for _ in range(20):
            self.reconcile()
        before = self.state
        self.reconcile()
        assert self.state == before
        assert self.state.canary is None
        runs_target = self.running_revision == self.target
        is_rolled_back = self.state.rolled_back is not None
        assert runs_target or is_rolled_back
        if runs_target and self.target in self.crashing:
            # There was no good revision to roll back to.
            assert (
                self.last_good is None
                or not any(it == self.last_good for it in self.records)
                or self.last_good == self.target
            )


TestRollout = RolloutMachine.TestCase
TestRollout.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
