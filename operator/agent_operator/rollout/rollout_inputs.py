"""The inputs of the state machine: the spec, the live Deployments, the checks and the analysis of one agent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent_operator.api.problems import Problem
from agent_operator.api.v1alpha1.rollout import CanaryStep, Rollout
from agent_operator.rollout.analysis.thresholds import AnalysisResult
from agent_operator.rollout.checks_result import ChecksResult
from agent_operator.rollout.revisions import RevisionRecord
from agent_operator.status.observed import Pods

DEFAULT_STEPS = (CanaryStep(weight=20),)
DEFAULT_PAUSE_SECONDS = 60


class CanaryPhase(StrEnum):
    """The phase of a canary step, as status.rollout.canary.phase shows it."""

    STARTING = "Starting"
    CHECKING = "Checking"
    WATCHING = "Watching"
    PAUSED = "Paused"
    PROMOTING = "Promoting"


@dataclass(frozen=True, slots=True)
class RolloutInputs:
    """Everything that a rollout decision depends on, except status.rollout itself.

    Attributes:
        target: revision that the spec requests.
        inputs_hash: hash of what the pods are rendered from: the spec and the version that a channel assigned.
        spec_hash: hash of the spec alone.
        now: RFC 3339 in UTC.
        rollout: spec.rollout.
        records: the revisions that the cluster keeps, newest first.
        last_good: status.lastGoodRevision, the last revision of which all pods were ready.
        running_revision: revision of the live stable Deployment; empty when it does not exist.
        stable: replica counts of the stable Deployment.
        canary: replica counts of the canary Deployment; all zero unless it runs the target.
        live_canary: replica counts of the canary Deployment, whatever it runs.
        min_serving: number of stable pods that must serve before the canary pods are deleted.
        no_room: why pods of a revision cannot be created or scheduled, by revision.
        failures: why the pods or the Deployment of a revision fail, by revision.
        checks: result of the checks; None while they run, or when there are none.
        has_checks: whether the spec defines checks.
        analysis: result of the canary analysis of this step; None before the first one.
        elapsed: seconds since the analysis of this step began.
        command: value of the annotation agent-operator.dev/rollout; empty without the annotation.
    """

    target: str
    inputs_hash: str
    spec_hash: str
    now: str
    rollout: Rollout = field(default_factory=Rollout)
    records: tuple[RevisionRecord, ...] = ()
    last_good: str | None = None
    running_revision: str = ""
    stable: Pods = field(default_factory=Pods)
    canary: Pods = field(default_factory=Pods)
    live_canary: Pods = field(default_factory=Pods)
    min_serving: int = 0
    no_room: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, Problem] = field(default_factory=dict)
    checks: ChecksResult | None = None
    has_checks: bool = False
    analysis: AnalysisResult | None = None
    elapsed: float = 0.0
    command: str = ""

    @property
    def steps(self) -> tuple[CanaryStep, ...]:
        """The steps of a canary."""
        return (self.rollout.canary and self.rollout.canary.steps) or DEFAULT_STEPS

    @property
    def canary_ready(self) -> bool:
        """Whether the canary Deployment has pods and all of them are ready."""
        return self.canary.complete and self.canary.wanted > 0

    @property
    def keeps_ended_canary(self) -> bool:
        """Whether the pods of an ended canary must serve until enough stable pods are available.

        If the cluster has no room for the stable pods, they get the room of the canary pods.
        """
        is_short = self.stable.available < max(self.min_serving, self.stable.wanted)
        return is_short and self.live_canary.available > 0 and self.running_revision not in self.no_room

    def has_record(self, revision: str | None) -> bool:
        """Return whether the cluster stores a revision, so that the revision can run again."""
        return any(record.name == revision for record in self.records)
