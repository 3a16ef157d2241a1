"""What is known of an agent: what the conditions, and with them the status, are decided on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from agent_operator.api.problems import Problem
from agent_operator.api.v1alpha1.rollout import RolloutStatus


@dataclass(frozen=True, slots=True)
class ObservedState:
    """What the conditions are decided on.

    Attributes:
        generation: metadata.generation that was looked at.
        invalid: why the spec cannot be used.
        uses_secrets: whether credentials come from a Secret that others make.
        secrets: what is wrong with it.
        blocked: why the children are not as they should be.
        applied: whether all children are as the current generation wants them.
        deployment: the live Deployment, trimmed.
        failure: status.lastFailure.
        pods: the live pods, trimmed.
        warnings: what works, but not as its writer may think.
        rollout: where the rollout of a revision stands.
        canary: the live Deployment of the canary, trimmed.
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

    @property
    def first_problem(self) -> Problem | None:
        """What must be healed first."""
        return self.invalid or self.blocked or self.secrets


@dataclass(frozen=True, slots=True)
class Pods:
    """Counts of a Deployment, with its defaults filled in."""

    wanted: int = 0
    total: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    observed: bool = False

    @classmethod
    def of(cls, deployment: Mapping[str, Any] | None) -> Self:
        """Count."""
        if deployment is None:
            return cls()
        status = deployment.get("status") or {}
        return cls(
            wanted=deployment["spec"].get("replicas", 1),
            total=status.get("replicas", 0),
            updated=status.get("updatedReplicas", 0),
            ready=status.get("readyReplicas", 0),
            available=status.get("availableReplicas", 0),
            # Counts of an older generation are about other pods.
            observed=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
        )

    @property
    def complete(self) -> bool:
        """Whether all wanted pods, and no others, are of the current revision, and available."""
        return self.observed and self.updated == self.total == self.wanted and self.available >= self.wanted
