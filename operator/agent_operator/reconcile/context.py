"""A pass over an agent: what it starts from, what it has found so far, and how it ended. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from agent_operator import validation
from agent_operator.api.problems import Problem, ProblemError
from agent_operator.api.reasons import Reason, SpecReason
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.objects import Key, Live, Object, Ref
from agent_operator.kube.resources import BY_NAME
from agent_operator.render import Rendered
from agent_operator.render.plan import Plan
from agent_operator.status.observed import Facts
from agent_operator.status.problems import namespace_not_managed
from agent_runtime.config import explain


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a pass ended.

    Attributes:
        failed: try again with backoff.
        refers: look at the references again in time.
        wrote: the status was changed.
        wait: seconds until to look at a rollout again; None: not at all.
    """

    failed: bool = False
    refers: bool = False
    wrote: bool = False
    wait: float | None = None


@dataclass(slots=True)
class Pass:
    """What a pass has found so far."""

    key: Key
    raw: Object
    live: dict[Ref, Live]
    facts: Facts
    rendered: Rendered | None = None
    outcome: Outcome = field(default_factory=Outcome)
    refusal: str = ""
    todo: Plan = field(default_factory=Plan)


def where_they_belong(raw: Object, key: Key, live: Mapping[Ref, Live]) -> dict[Ref, Live]:
    """Leave out what says in another namespace that it is this agent's: whoever is there could tell lies about it."""
    namespace = (raw["spec"].get("namespace") or {}).get("name") or key.namespace
    return {target: found for target, found in live.items() if target.namespace in ("", namespace)}


def parse(raw: Object) -> AgentDeployment:
    """Read an AgentDeployment; ProblemError when it is not what the schema of this version takes."""
    try:
        # Whatever is in status is not ours to refuse.
        return AgentDeployment.model_validate({key: value for key, value in raw.items() if key != "status"})
    except ValidationError as error:
        raise ProblemError(Problem(SpecReason.SPEC_NOT_RENDERABLE, "", explain(error))) from None


def warnings(inputs: Inputs, missing: set[str]) -> tuple[Problem, ...]:
    """Return what works, but not as its writer may think. `missing`: kinds that the cluster does not serve."""
    # Offline one can only say that an account must be annotated; here its annotations were looked at.
    found = [it for it in validation.warnings(inputs) if it.reason != SpecReason.IDENTITY_NOT_ANNOTATED]
    if inputs.spec.namespace and not inputs.platform.manage_namespaces:
        found.append(namespace_not_managed(inputs.namespace))
    found += [
        Problem(
            Reason.API_MISSING,
            "",
            f"{kind} is left out, for the cluster has no CustomResourceDefinition {BY_NAME[kind].crd}, or the operator "
            "no right to use it: install it, grant the right, or turn off what needs it",
        )
        for kind in sorted(missing)
    ]
    return tuple(found)
