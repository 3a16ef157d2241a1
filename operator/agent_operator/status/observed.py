"""What a pass observes of an agent. Conditions and status are derived from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from agent_operator.api.problems import Problem
from agent_operator.api.v1alpha1.rollout import RolloutStatus
from agent_operator.diagnosis.findings import ComponentFault


@dataclass(frozen=True, slots=True)
class ObservedState:
    """What the conditions are derived from.

    Attributes:
        generation: metadata.generation of the spec that was reconciled.
        suspended: whether spec.suspend is true.
        invalid: why the spec cannot be used.
        uses_secrets: whether credentials come from a Secret that others create.
        secrets: what is wrong with that Secret.
        blocked: any other reason why the children do not match the spec.
        applied: whether all children match the current generation of the spec.
        deployment: the live stable Deployment, trimmed.
        failure: status.lastFailure.
        pods: the live pods, trimmed.
        warnings: what works, but may not work as the author of the spec expects.
        rollout: status.rollout.
        canary: the live Deployment of the canary, trimmed.
        components: the components that do not work; None if nothing is known of them.
        usage: status.usage.
        components_unknown: why nothing is known of the components; empty if the pods have not been looked at yet.
    """

    generation: int
    suspended: bool = False
    invalid: Problem | None = None
    uses_secrets: bool = False
    secrets: Problem | None = None
    blocked: Problem | None = None
    applied: bool = False
    deployment: Mapping[str, Any] | None = None
    failure: Mapping[str, Any] | None = None
    pods: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[Problem, ...] = ()
    rollout: RolloutStatus = field(default_factory=RolloutStatus)
    canary: Mapping[str, Any] | None = None
    components: tuple[ComponentFault, ...] | None = None
    components_unknown: str = ""
    usage: tuple[Mapping[str, Any], ...] = ()
    namespace_uid: str | None = None

    @property
    def first_problem(self) -> Problem | None:
        """The problem that must be solved first."""
        return self.invalid or self.blocked or self.secrets


@dataclass(frozen=True, slots=True)
class Pods:
    """The pod counts of a Deployment, with defaults filled in."""

    wanted: int = 0
    total: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    observed: bool = False

    @classmethod
    def of(cls, deployment: Mapping[str, Any] | None) -> Self:
        """Read the counts; all are zero without a Deployment."""
        if deployment is None:
            return cls()
        status = deployment.get("status") or {}
        return cls(
            wanted=deployment["spec"].get("replicas", 1),
            total=status.get("replicas", 0),
            updated=status.get("updatedReplicas", 0),
            ready=status.get("readyReplicas", 0),
            available=status.get("availableReplicas", 0),
            # Before the controller observes a generation, the counts are of the pods of an older one.
            observed=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
        )

    @property
    def complete(self) -> bool:
        """Whether exactly the wanted pods exist, run the current revision, and are available."""
        return self.observed and self.updated == self.total == self.wanted and self.available >= self.wanted
