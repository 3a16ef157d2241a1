"""The middle stages of a pass: render the children, plan the rollout, and diff with what is live."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from agent_operator import validation
from agent_operator.api.problems import Problem, ProblemError
from agent_operator.api.reasons import Reason, SpecReason
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.objects import Ref, ref
from agent_operator.kube.resources import BY_NAME, FOUNDATIONS
from agent_operator.kube.transport import ApiError
from agent_operator.reconcile.context import ReconcileContext
from agent_operator.reconcile.gather import GatherResult
from agent_operator.render import Rendered, adoption
from agent_operator.render.children import Renderer
from agent_operator.render.plan import Plan, plan
from agent_operator.rollout.planner import RolloutPlan, RolloutPlanner
from agent_operator.status.problems import from_api, namespace_not_managed


@dataclass(frozen=True, slots=True)
class RenderResult:
    """The rendered spec, or why it cannot be rendered. Both are None if there was nothing to render."""

    rendered: Rendered | None = None
    invalid: Problem | None = None


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """The plan of the rollout, or why there can be none. Both are None if nothing was rendered."""

    plan: RolloutPlan | None = None
    blocked: Problem | None = None

    @property
    def desired(self) -> Iterable[Ref]:
        """The objects that the plan describes."""
        manifests = self.plan.manifests.rendered.manifests if self.plan else ()
        return [ref(manifest["kind"], manifest) for manifest in manifests]


@dataclass(frozen=True, slots=True)
class DiffResult:
    """The changes to write.

    Attributes:
        rendered: the rendered spec, without kinds that the cluster does not serve; None if nothing was rendered.
        rollout: the decision to carry out; None if there is none, or if it must wait for the credentials.
        changes: what differs from the live objects.
        warnings: what works, but may not work as the author of the spec expects.
        invalid: why the spec cannot be rendered.
        blocked: why the rollout cannot be decided.
    """

    rendered: Rendered | None = None
    rollout: RolloutPlan | None = None
    changes: Plan = field(default_factory=Plan)
    warnings: tuple[Problem, ...] = ()
    invalid: Problem | None = None
    blocked: Problem | None = None


class ChildPlanner:
    """Computes the desired children. `served` returns the version in which the cluster serves a kind."""

    def __init__(self, renderer: Renderer, planner: RolloutPlanner, served: Callable[[str], str | None]) -> None:
        self._renderer = renderer
        self._planner = planner
        self._served = served

    def forget(self, uid: str) -> None:
        """Forget an agent that is deleted."""
        self._planner.forget(uid)

    def validate_and_render(self, gathered: GatherResult) -> RenderResult:
        """Validate the spec and render the children."""
        if gathered.inputs is None:
            return RenderResult()
        try:
            return RenderResult(self._renderer.render(gathered.inputs))
        except ProblemError as error:
            return RenderResult(invalid=error.problem)

    async def plan_rollout(
        self, context: ReconcileContext, gathered: GatherResult, rendered: RenderResult
    ) -> RolloutResult:
        """Decide which revision runs in which Deployment."""
        if gathered.inputs is None or rendered.rendered is None:
            return RolloutResult()
        inputs, manifests = gathered.inputs, rendered.rendered
        try:
            return RolloutResult(await self._planner.plan(inputs, manifests, context.agent, gathered.live, context.now))
        except ApiError as error:
            return RolloutResult(blocked=from_api(error))

    def diff(
        self, context: ReconcileContext, gathered: GatherResult, rendered: RenderResult, rollout: RolloutResult
    ) -> DiffResult:
        """Compare the desired with the live children. Without a rollout plan, there are no changes."""
        if gathered.inputs is None or rendered.rendered is None or rollout.plan is None:
            return DiffResult(invalid=rendered.invalid, blocked=rollout.blocked)
        # Without the credentials no new pod can start, so write what pods need, but do not replace running pods.
        can_start = gathered.secrets is None
        wanted = rollout.plan.manifests.rendered if can_start else rendered.rendered
        served = tuple(manifest for manifest in wanted.manifests if self._served(manifest["kind"]))
        missing = {manifest["kind"] for manifest in wanted.manifests} - {manifest["kind"] for manifest in served}
        retained = {ref(manifest["kind"], manifest) for manifest in wanted.manifests} | rollout.plan.manifests.retained
        desired = served
        if not can_start:
            desired = tuple(manifest for manifest in served if manifest["kind"] in FOUNDATIONS)
            retained |= {target for target in gathered.live if target.kind not in FOUNDATIONS}
        return DiffResult(
            rendered=replace(wanted, manifests=served),
            rollout=rollout.plan if can_start else None,
            changes=plan(desired, gathered.live, context.owner, retained=retained),
            warnings=(
                *_warnings(gathered.inputs, missing),
                *_adoption_problems(context, gathered.inputs),
                *rollout.plan.warnings,
            ),
        )


def _adoption_problems(context: ReconcileContext, inputs: Inputs) -> Iterable[Problem]:
    return adoption.problems(context.agent, allowed=inputs.platform.allow_adoption) if context.may_adopt else ()


def _warnings(inputs: Inputs, missing: set[str]) -> Iterable[Problem]:
    """Yield what works, but may not work as expected. `missing`: kinds that the cluster does not serve."""
    # Offline, the annotations of a ServiceAccount are unknown. The gatherer has checked them.
    yield from (it for it in validation.warnings(inputs) if it.reason != SpecReason.IDENTITY_NOT_ANNOTATED)
    if inputs.spec.namespace and not inputs.platform.manage_namespaces:
        yield namespace_not_managed(inputs.namespace)
    monitoring = inputs.spec.monitoring
    if monitoring is None or monitoring.service_monitor is None:
        # By default, an agent has a ServiceMonitor where the cluster serves the kind.
        missing = missing - {"ServiceMonitor"}
    for kind in sorted(missing):
        yield Problem(
            Reason.API_MISSING,
            "",
            f"{kind} is left out because the cluster has no CustomResourceDefinition {BY_NAME[kind].crd}, or the "
            "operator has no permission to use it: install it, grant the permission, or turn off what needs it",
        )
