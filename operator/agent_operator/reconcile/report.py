"""The last stage of a pass: describe what was found in the status, and emit Events about what changed."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from agent_operator.api import bounds, constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.api.v1alpha1.rollout import RolloutStatus
from agent_operator.diagnosis.findings import UNKNOWN, ComponentFault, Diagnosis
from agent_operator.diagnosis.monitor import PodMonitor
from agent_operator.kube.client import Cluster
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.objects import Object, Ref
from agent_operator.kube.transport import ApiError
from agent_operator.reconcile.apply import ApplyResult, StatusWriter
from agent_operator.reconcile.children import DiffResult
from agent_operator.reconcile.context import ReconcileContext, Result
from agent_operator.reconcile.gather import GatherResult
from agent_operator.rollout import deployments
from agent_operator.status import rollout_messages
from agent_operator.status.autoscaler import autoscaler_delay, autoscaler_fault
from agent_operator.status.builder import first_failure, new_warnings, own, pod_failure, pods, status, transitions
from agent_operator.status.conditions import failed
from agent_operator.status.observed import ObservedState, Pods
from agent_operator.status.usage import usage_status, usage_warnings

log = logging.getLogger(__name__)

# The AgentDeployment was deleted, perhaps created again, or another writer was faster. Its event is on the way.
_AGENT_CHANGED = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})
# Reasons why the API server did not write an object.
_REFUSED = frozenset({Reason.CONFLICT, Reason.FORBIDDEN, Reason.REJECTED})


class Reporter:
    """Writes the status and emits Events."""

    def __init__(
        self, cluster: Cluster, recorder: EventRecorder, status_writer: StatusWriter, monitor: PodMonitor
    ) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._status_writer = status_writer
        self._monitor = monitor

    async def report(self, gathered: GatherResult, diff: DiffResult, applied: ApplyResult) -> Result:
        """Write the status if it changed.

        Raises:
            ApiError: the status cannot be written.
        """
        context, result = applied.context, summarize(gathered, diff, applied)
        state = observe(gathered, diff, applied, self._monitor.diagnosis(context.key))
        serves = _has_ready_pods(state.deployment, state.canary)
        self._monitor.note(context.key, context.owner.namespace, state.pods, serves=serves)
        live = own(applied.live, context.owner)
        after = status(state, context.status, live, diff.rendered, name=context.key.name, now=context.now)
        try:
            written = await self._status_writer.write(context, after)
        except ApiError as error:
            if error.code not in _AGENT_CHANGED:
                raise
            log.info("status not written", extra={"agent": str(context.key), "code": error.code})
            return replace(result, incomplete=error.code == HTTPStatus.CONFLICT)
        if written is not None and "rollout" in context.status:
            _log_rollout(context, state.rollout)
        changed = transitions(context.status.get("conditions") or (), after["conditions"])
        if events := (*changed, *new_warnings(context.status, after)):
            _log_refusals(context, events)
            await self._recorder.record(context.agent, events)
        if applied.adopted:
            note = f"adopted {', '.join(map(str, applied.adopted))}"
            await self._recorder.emit(constants.KIND, context.agent, "Normal", Reason.ADOPTED, note[: bounds.MESSAGE])
        await self._answer_command(context, diff, state)
        return replace(result, status_changed=written is not None)

    async def report_error(self, context: ReconcileContext, problem: Problem) -> None:
        """Set the conditions that say that a pass failed, and leave the rest of the status as it is.

        Raises:
            ApiError: the status cannot be written.
        """
        before = context.status.get("conditions") or ()
        generation = context.agent["metadata"].get("generation", 0)
        after = failed(problem, before, generation, context.now)
        status_after = {**context.status, "observedGeneration": generation, "conditions": after}
        if await self._status_writer.write(context, status_after) is not None:
            await self._recorder.record(context.agent, transitions(before, after))

    async def report_expense(self, agent: Object, seconds: float) -> None:
        """Emit an Event about a pass that took this CPU time."""
        note = f"a pass took {seconds:.1f} s of CPU time: shorten the spec, or delete objects with the agent's labels"
        await self._recorder.emit(constants.KIND, agent, "Warning", Reason.RECONCILE_EXPENSIVE, note)

    async def _answer_command(self, context: ReconcileContext, diff: DiffResult, state: ObservedState) -> None:
        """Report a command that cannot be carried out, and remove the annotation of one that was."""
        if diff.rollout is not None and diff.rollout.refusal:
            message = diff.rollout.refusal
            await self._recorder.emit(constants.KIND, context.agent, "Warning", Reason.COMMAND_REFUSED, message)
        command = (context.agent["metadata"].get("annotations") or {}).get(constants.ANNOTATION_ROLLOUT)
        if command and state.applied and state.rollout.command == command[: bounds.COMMAND]:
            # The status records that it was carried out. If it is set again, it is a new command.
            await self._cluster.remove_command(context.key, command)


def observe(
    gathered: GatherResult, diff: DiffResult, applied: ApplyResult, diagnosis: Diagnosis = UNKNOWN
) -> ObservedState:
    """Put together what the conditions are derived from."""
    context = applied.context
    blocked = gathered.blocked or diff.blocked or applied.blocked
    stable, canary = deployments.stable_and_canary(applied.live, context.owner)
    running = pods(applied.live)
    rollout = diff.rollout and diff.rollout.after
    usage = usage_status(diagnosis, context.status.get("usage"), context.now)
    return ObservedState(
        generation=context.agent["metadata"].get("generation", 0),
        suspended=context.is_suspended,
        invalid=gathered.invalid or diff.invalid,
        uses_secrets=gathered.uses_secrets,
        secrets=gathered.secrets,
        blocked=blocked,
        applied=diff.rollout is not None and blocked is None,
        deployment=stable,
        canary=canary,
        failure=pod_failure(
            first_failure(running, (stable, canary), context.status),
            diagnosis,
            context.status.get("lastFailure"),
            unready=() if _has_ready_pods(stable, canary) else [pod["metadata"]["name"] for pod in running],
        ),
        components=_faults(applied, diagnosis),
        components_unknown=diagnosis.unknown,
        usage=usage,
        pods=running,
        warnings=tuple(dict.fromkeys((*usage_warnings(usage), *gathered.warnings, *diff.warnings))),
        rollout=rollout or RolloutStatus.model_validate(context.status.get("rollout") or {}),
        namespace_uid=_namespace_uid(applied),
    )


def _has_ready_pods(*found: Mapping[str, Any] | None) -> bool:
    counts = [Pods.of(deployment) for deployment in found if deployment is not None]
    return all(pods.available >= pods.wanted and pods.complete for pods in counts)


def _faults(applied: ApplyResult, diagnosis: Diagnosis) -> tuple[ComponentFault, ...] | None:
    conditions = _autoscaler_conditions(applied)
    fault = autoscaler_fault(conditions, applied.context.now) if conditions else None
    return (*(diagnosis.components or ()), fault) if fault is not None else diagnosis.components


def _autoscaler_conditions(applied: ApplyResult) -> Sequence[Mapping[str, Any]]:
    """Return the conditions that say why the autoscaler of the agent cannot scale."""
    owner = applied.context.owner
    target = Ref("HorizontalPodAutoscaler", owner.namespace, owner.key.name)
    autoscaler = applied.live.get(target)
    return () if autoscaler is None else (autoscaler.object.get("status") or {}).get("conditions") or ()


def _namespace_uid(applied: ApplyResult) -> str | None:
    """Return the UID of the Namespace that the operator created for the agent; None if there is none."""
    owner = applied.context.owner
    target = Ref("Namespace", "", owner.namespace)
    namespace = applied.live.get(target)
    if namespace is not None and owner.owns(target, namespace.object, namespace.uid):
        return namespace.uid
    # A refusal proves that the operator did not create it. Otherwise the response may have been lost.
    refused = applied.blocked is not None and applied.blocked.reason in _REFUSED
    return None if refused else (owner.namespace_uid or None)


def _log_refusals(context: ReconcileContext, events: Iterable[tuple[Mapping[str, Any], str]]) -> None:
    for condition, _ in events:
        if condition["reason"] in _REFUSED:
            extra = {"agent": str(context.key), "reason": condition["reason"], "problem": condition["message"]}
            log.warning("child not written", extra=extra)


def _log_rollout(context: ReconcileContext, after: RolloutStatus) -> None:
    before = RolloutStatus.model_validate(context.status["rollout"])
    message = rollout_messages.transition(before, after)
    if message:
        log.info(message, extra={"agent": str(context.key)})


def summarize(gathered: GatherResult, diff: DiffResult, applied: ApplyResult) -> Result:
    """Return what the workers need to know."""
    conditions = _autoscaler_conditions(applied)
    grace = autoscaler_delay(conditions, applied.context.now) if conditions else None
    delays = (grace, diff.rollout.requeue_after if diff.rollout else None)
    return Result(
        invalid=gathered.invalid or diff.invalid,
        blocked=gathered.blocked or diff.blocked or applied.blocked or gathered.secrets,
        references=gathered.references,
        requeue_after=min((delay for delay in delays if delay is not None), default=None),
    )
