"""The first stage of a pass: read the objects that the spec refers to, and decide whether they suffice to render it."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from agent_operator.api import kubernetes_models
from agent_operator.api.problems import Problem, ProblemError, shorten
from agent_operator.api.reasons import SpecReason
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.fleet.assigned_version import VersionDecision
from agent_operator.inputs import secret_problems, size_limits
from agent_operator.inputs.agent_inputs import Inputs, Platform
from agent_operator.inputs.autoscalers import Autoscalers
from agent_operator.inputs.gather import Gathered, References
from agent_operator.inputs.own_secrets import OwnSecrets
from agent_operator.kube.objects import Key, Live, Object, Ref
from agent_operator.kube.routes import Route
from agent_operator.kube.transport import ApiError
from agent_operator.reconcile.context import ReconcileContext
from agent_operator.render.conflicts import unreadable
from agent_operator.sandbox.evaluator import Evaluator
from agent_operator.status.builder import pods
from agent_operator.status.problems import from_api, namespace_not_watched
from agent_operator.validation import shared_routes, workload_identity
from agent_runtime.config import explain

# The pods of an agent are many, and the conditions of the Deployment describe them, too.
_NOT_REQUIRED = frozenset({"Pod", "ReplicaSet"})
# Fields of the spec with a host.
_EXPOSING = frozenset({"ingress", "gateway"})


@dataclass(frozen=True, slots=True)
class GatherResult:
    """The objects that were read, and their problems.

    Attributes:
        live: the children, with the Secret that the operator created for the agent.
        inputs: what to render; None when the agent is suspended, or when a problem prevents rendering.
        invalid: why the spec cannot be read.
        blocked: why the agent must not be rendered now.
        secrets: what is wrong with the Secret of the credentials. Without this Secret, no pod can start.
        uses_secrets: whether credentials come from a Secret that others create.
        references: whether the agent refers to objects that are not watched.
        warnings: what works, but may not work as the author of the spec expects.
    """

    live: Mapping[Ref, Live]
    inputs: Inputs | None = None
    invalid: Problem | None = None
    blocked: Problem | None = None
    secrets: Problem | None = None
    uses_secrets: bool = False
    references: bool = False
    warnings: tuple[Problem, ...] = ()


class Gatherer:
    """Reads what an agent refers to. `served` returns the version in which the cluster serves a kind."""

    def __init__(  # noqa: PLR0913  (all that a pass reads)
        self,
        *,
        references: References,
        autoscalers: Autoscalers,
        evaluator: Evaluator,
        own_secrets: OwnSecrets,
        resolve_version: Callable[[Object], VersionDecision],
        shared_routes: Callable[[Key], Mapping[Route, Key]],
        served: Callable[[str], str | None],
        platform: Platform,
        namespaces: Collection[str],
    ) -> None:
        self._references = references
        self._autoscalers = autoscalers
        self._evaluator = evaluator
        self._own_secrets = own_secrets
        self._resolve_version = resolve_version
        self._shared_routes = shared_routes
        self._served = served
        self._platform = platform
        self._namespaces = namespaces

    async def gather(self, context: ReconcileContext) -> GatherResult:
        """Read the references of an agent. The result contains a problem for each object that cannot be read."""
        if blocked := _unreadable_child(context.children):
            return GatherResult(context.children, blocked=blocked)
        return await self._read(context)

    async def _read(self, context: ReconcileContext) -> GatherResult:
        try:
            secret = await self._own_secrets.get(context.key, context.agent)
        except ApiError as error:
            return GatherResult(context.children, blocked=from_api(error))
        own = {target: live for target, live in (secret or {}).items() if live.owner == context.uid}
        result = GatherResult({**context.children, **own}, references=secret is not None)
        if context.is_suspended:
            return result
        try:
            agent = await self._parse(context)
        except ProblemError as error:
            return replace(result, invalid=error.problem)
        version = self._resolve_version(context.agent)
        if version.pending:
            return replace(result, blocked=version.pending)
        try:
            found = await self._references.gather(agent, self._current_platform(), version.assigned)
            found = await self._with_autoscaler(context, found)
        except (ApiError, ProblemError) as error:
            blocked = from_api(error) if isinstance(error, ApiError) else error.problem
            return replace(result, blocked=blocked)
        if found.inputs.template is not None or found.inputs.checks_text is not None:
            found = replace(found, inputs=await self._evaluator.evaluate(found.inputs))
        if not _EXPOSING.isdisjoint(context.agent["spec"]):
            shared = self._shared_routes(context.key)
            result = replace(result, warnings=tuple(shared_routes.warnings(context.key, context.agent["spec"], shared)))
        return self._assess(result, found, version)

    async def _with_autoscaler(self, context: ReconcileContext, found: Gathered) -> Gathered:
        """Add the autoscaler of others that targets the Deployment, if another writer has scaled it.

        Both would write the replicas in turn, forever.
        """
        inputs, owner = found.inputs, context.owner
        target = Ref("Deployment", inputs.namespace, inputs.name)
        live = context.children.get(target)
        if live is None or not live.is_scaled or inputs.fixed_replicas is None:
            return found
        if not owner.owns(target, live.object, live.uid):
            return found
        other = await self._autoscalers.find(inputs.namespace, inputs.name, owner.uid)
        return replace(found, inputs=replace(inputs, other_autoscaler=other), refers=True) if other else found

    async def _parse(self, context: ReconcileContext) -> AgentDeployment:
        agent = context.agent
        if not context.is_small and (excess := size_limits.find_excess(agent["spec"])):
            raise ProblemError(excess)
        if not kubernetes_models.USED_BY.isdisjoint(agent["spec"]) and not kubernetes_models.is_loaded():
            await asyncio.to_thread(kubernetes_models.load)
        if "rollout" not in agent["spec"]:
            return parse(agent)
        return parse(agent, await self._evaluator.compile_patterns(context.key.namespace, agent))

    def _current_platform(self) -> Platform:
        served = self._served("ExternalSecret") or ""
        return replace(
            self._platform,
            external_secrets_version="v1beta1" if served.endswith("beta1") else "v1",
            fqdn_policies=self._platform.fqdn_policies and self._served("CiliumNetworkPolicy") is not None,
        )

    def _may_use(self, namespace: str) -> bool:
        """Return whether agents of other namespaces may have their children here."""
        if self._namespaces:
            return namespace in self._namespaces
        # Without the admission policies, nothing checks whether an author has rights in an existing namespace.
        return self._platform.manage_namespaces or self._platform.allow_adoption

    def _assess(self, result: GatherResult, found: Gathered, version: VersionDecision) -> GatherResult:
        """Add the problems of the references, and the warnings."""
        inputs = found.inputs
        unsynced = None
        if inputs.spec.credentials and inputs.spec.credentials.external_secret:
            served = bool(self._served("ExternalSecret"))
            unsynced = secret_problems.sync_problem(inputs, result.live, served=served)
        # A Secret that was synced once keeps serving when External Secrets fails later, so that is only a warning.
        warnings = [*result.warnings, *found.warnings, *([unsynced] if unsynced and not found.secrets else [])]
        if inputs.spec.identity:
            warnings += workload_identity.preflight(inputs, pods(result.live), found.account)
        if version.warning:
            warnings.append(version.warning)
        watched = not inputs.spec.namespace or self._may_use(inputs.namespace)
        return replace(
            result,
            inputs=inputs if watched else None,
            blocked=None if watched else namespace_not_watched(inputs.namespace),
            secrets=found.secrets and (unsynced or found.secrets),
            uses_secrets=found.uses_secrets,
            references=found.refers or result.references,
            warnings=tuple(warnings),
        )


def _unreadable_child(children: Mapping[Ref, Live]) -> Problem | None:
    """Return the problem of a child without which the state of the rollout is unknown."""
    found = (it for it in children.items() if it[1].unreadable and it[0].kind not in _NOT_REQUIRED)
    return next((unreadable(target, live) for target, live in found), None)


def parse(agent: Object, context: Mapping[str, Any] | None = None) -> AgentDeployment:
    """Read an AgentDeployment.

    Args:
        agent: the object.
        context: the faults of the patterns in its checks, if they are known.

    Raises:
        ProblemError: the object does not match the schema of this version.
    """
    try:
        # Users do not write the status, so an unexpected status must not make the spec invalid.
        fields = {key: value for key, value in agent.items() if key != "status"}
        return AgentDeployment.model_validate(fields, context=context)
    except ValidationError as error:
        raise ProblemError(Problem(SpecReason.SPEC_NOT_RENDERABLE, "", shorten(explain(error)))) from None
