"""The conditions of an agent. Pure: the time is an argument.

The conditions follow kstatus, so `kubectl wait` and Flux understand them. Argo CD needs the scripts in deploy/argocd.
`Reconciling` and `Stalled` exist only while they are true. If the observedGeneration of a condition is older than
metadata.generation, the condition describes an older spec.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent_operator.api import bounds
from agent_operator.api.problems import Problem, shorten
from agent_operator.api.reasons import Reason, SpecReason
from agent_operator.kube.pod_failures import describe
from agent_operator.status import rollout_messages
from agent_operator.status.observed import ObservedState, Pods
from agent_runtime.config.terminal import printable

Condition = dict[str, Any]


def decide(state: ObservedState, before: Sequence[Mapping[str, Any]], now: str) -> list[Condition]:
    """Return all conditions.

    Args:
        state: what the pass has observed.
        before: the conditions in the status. A condition whose status does not change keeps its
            lastTransitionTime.
        now: time of new transitions, RFC 3339 in UTC.
    """
    pods = Pods.of(state.deployment)
    found = [
        _ready(state, pods),
        _available(state, pods),
        _progressing(state, pods),
        _config_valid(state),
        _secrets_ready(state),
        _components_healthy(state, before),
        *_kstatus(state, pods),
        *_warning(state),
    ]
    return list(merge_conditions(found, before, state.generation, now))


def failed(problem: Problem, before: Sequence[Mapping[str, Any]], generation: int, now: str) -> list[Condition]:
    """Return the conditions after a pass that raised an error: only Ready and Reconciling or Stalled change.

    Args:
        problem: the error.
        before: the conditions in the status.
        generation: metadata.generation.
        now: time of new transitions, RFC 3339 in UTC.
    """
    kept = [dict(condition) for condition in before if condition["type"] not in ("Ready", "Reconciling", "Stalled")]
    reason, message = problem.reason, str(problem)
    found = [
        _condition("Ready", False, reason, message),
        _condition("Reconciling" if problem.retry else "Stalled", True, reason, message),
    ]
    return [*merge_conditions(found, before, generation, now), *kept]


def is_true(conditions: Iterable[Mapping[str, Any]], kind: str) -> bool:
    """Return whether a condition exists and is true."""
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)


def _condition(kind: str, status: bool | None, reason: str, message: str) -> Condition:
    text = "Unknown" if status is None else str(status)
    return {"type": kind, "status": text, "reason": reason, "message": printable(message[: bounds.MESSAGE])}


def _ready(state: ObservedState, pods: Pods) -> Condition:
    blocking = _blocking_condition(state)
    if blocking is not None:
        return _condition("Ready", None if state.suspended else False, *blocking)
    if not _serves(state, pods):
        return _condition("Ready", False, *_unfinished(state, pods))
    other_revision = _other_revision(state)
    if other_revision is not None:
        return _condition("Ready", False, *other_revision)
    if pods.wanted == 0:
        return _condition("Ready", True, Reason.SCALED_TO_ZERO, "scaled to zero replicas")
    return _condition("Ready", True, Reason.READY, f"{pods.available} of {pods.wanted} pods are ready")


def serves(state: ObservedState) -> bool:
    """Return whether all pods of the stable revision serve, even if the spec requests another revision."""
    return _blocking_condition(state) is None and _serves(state, Pods.of(state.deployment))


def _other_revision(state: ObservedState) -> tuple[str, str] | None:
    """Return why the stable pods run another revision than the spec requests; None if they run the requested one."""
    if state.rollout.rolled_back is not None:
        return Reason.ROLLED_BACK, rollout_messages.rolled_back(state.rollout.rolled_back)
    if state.rollout.canary is not None:
        return rollout_messages.canary(state.rollout, state.rollout.canary)
    return None


def _serves(state: ObservedState, pods: Pods) -> bool:
    record = state.rollout.rolled_back
    if state.rollout.canary is not None or (record is not None and not record.manual):
        # The number of pods changes: stable pods make room for a canary, and pods of a failed revision are deleted.
        return pods.available >= pods.wanted
    return pods.complete


def _available(state: ObservedState, pods: Pods) -> Condition:
    if state.deployment is None:
        return _condition("Available", False, Reason.NO_DEPLOYMENT, "the Deployment does not exist")
    if pods.wanted == 0 and pods.available == 0:
        return _condition("Available", False, Reason.SCALED_TO_ZERO, "scaled to zero replicas")
    message = f"{pods.available} of {pods.wanted} pods are available"
    if pods.available > 0 and _deployment_condition(state, "Available").get("status") != "False":
        return _condition("Available", True, Reason.AVAILABLE, message)
    return _condition("Available", False, Reason.UNAVAILABLE, message)


def _progressing(state: ObservedState, pods: Pods) -> Condition:
    blocking = _blocking_condition(state)
    if blocking is not None:
        is_progressing = not state.suspended and state.first_problem is None
        return _condition("Progressing", is_progressing, *blocking)
    other_revision = _other_revision(state)
    if other_revision is not None:
        return _condition("Progressing", state.rollout.rolled_back is None, *other_revision)
    if pods.complete:
        return _condition("Progressing", False, Reason.ROLLOUT_COMPLETE, "all pods run the current revision")
    reason, message = _unfinished(state, pods)
    return _condition("Progressing", reason is not Reason.DEADLINE_EXCEEDED, reason, message)


def _blocking_condition(state: ObservedState) -> tuple[str, str] | None:
    """Return reason and message of what prevents a rollout; None if nothing prevents it."""
    if state.suspended:
        return Reason.SUSPENDED, "spec.suspend is true: set it to false to continue"
    problem = state.first_problem
    if problem is not None:
        return problem.reason, str(problem)
    if not state.applied:
        return Reason.NOT_APPLIED, "the children are not applied yet"
    if state.deployment is None:
        return Reason.NO_DEPLOYMENT, "waiting for the Deployment to be created"
    return None


def _unfinished(state: ObservedState, pods: Pods) -> tuple[Reason, str]:
    failing = _failing(state)
    if pods.observed and _deployment_condition(state, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return Reason.DEADLINE_EXCEEDED, "the rollout exceeded its progress deadline" + failing
    counts = f"{pods.updated} of {pods.wanted} pods run the current revision, {pods.available} are available" + failing
    if pods.observed and pods.updated == pods.total == pods.wanted:
        return Reason.UNAVAILABLE, counts
    return Reason.ROLLING_OUT, counts


def _failing(state: ObservedState) -> str:
    """Describe the failing pod, or the first sidecar that is not ready; empty if neither exists."""
    if state.failure:
        return f"; {describe(state.failure)}"
    for pod in state.pods:
        for name in pod.get("unreadySidecars", ()):
            return f"; pod {pod['metadata']['name']}: container {name} is not ready: see its readiness probe"
    return ""


def _config_valid(state: ObservedState) -> Condition:
    if state.invalid is not None:
        return _condition("ConfigValid", False, state.invalid.reason, str(state.invalid))
    return _condition("ConfigValid", True, Reason.VALID, "the spec is valid")


def _secrets_ready(state: ObservedState) -> Condition:
    if state.secrets is not None:
        return _condition("SecretsReady", False, state.secrets.reason, str(state.secrets))
    if state.suspended or state.invalid is not None:
        return _condition("SecretsReady", None, Reason.NOT_CHECKED, "not checked until the other problem is solved")
    if not state.uses_secrets:
        return _condition("SecretsReady", True, Reason.NOT_REFERENCED, "the spec refers to no Secret")
    return _condition("SecretsReady", True, Reason.FOUND, "the Secret exists and has all keys")


def _components_healthy(state: ObservedState, before: Sequence[Mapping[str, Any]]) -> Condition:
    kind = "ComponentsHealthy"
    if state.components:
        message = shorten("; ".join(str(fault) for fault in state.components))
        return _condition(kind, False, state.components[0].reason, message)
    if state.components is not None:
        return _condition(kind, True, Reason.COMPONENTS_HEALTHY, "the pods report that all components work")
    if not any(pod.get("ip") and not pod.get("ended") for pod in state.pods):
        return _condition(kind, None, Reason.NOT_CHECKED, "no pod runs")
    if state.components_unknown:
        return _condition(kind, None, Reason.PODS_UNREACHABLE, state.components_unknown)
    known = next((it for it in before if it["type"] == kind and it["reason"] != Reason.NOT_CHECKED), None)
    if known is not None:
        # After a restart of the operator, the condition remains until the pods have been looked at.
        return {field: known[field] for field in ("type", "status", "reason", "message")}
    return _condition(kind, None, Reason.NOT_CHECKED, "the pods have not reported yet")


def _kstatus(state: ObservedState, pods: Pods) -> Iterable[Condition]:
    if state.suspended:
        return
    ready = _ready(state, pods)
    if ready["status"] == "True":
        return
    problem = state.first_problem
    # After a rollback, the agent waits for a user to correct the spec or to try again.
    waits_for_user = ready["reason"] in (Reason.DEADLINE_EXCEEDED, Reason.ROLLED_BACK)
    stalled = not problem.retry if problem is not None else waits_for_user
    yield _condition("Stalled" if stalled else "Reconciling", True, ready["reason"], ready["message"])


def _warning(state: ObservedState) -> Iterable[Condition]:
    if state.warnings:
        # status.warnings has one entry for each.
        message = shorten("; ".join(str(warning) for warning in state.warnings))
        # Most agents without Redis have this one, so it hides no other.
        others = [it for it in state.warnings if it.reason != SpecReason.SESSIONS_NOT_SHARED]
        yield _condition("Warning", True, (others or state.warnings)[0].reason, message)


def _deployment_condition(state: ObservedState, kind: str) -> Mapping[str, Any]:
    found = ((state.deployment or {}).get("status") or {}).get("conditions") or ()
    return next((condition for condition in found if condition["type"] == kind), {})


def merge_conditions(
    found: Iterable[Condition], before: Sequence[Mapping[str, Any]], generation: int, now: str
) -> Iterable[Condition]:
    """Add observedGeneration and lastTransitionTime to the conditions."""
    known = {condition["type"]: condition for condition in before}
    for condition in found:
        old = known.get(condition["type"], {})
        same = old.get("status") == condition["status"]
        since = old.get("lastTransitionTime", now) if same else now
        yield {**condition, "lastTransitionTime": since, "observedGeneration": generation}
