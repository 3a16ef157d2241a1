"""What is true of an agent, as conditions. Pure: the clock's reading is an argument.

The conditions follow kstatus: `Reconciling` and `Stalled` are there only while true, and an observedGeneration older
than the object's says that nothing here is about the current spec. So `kubectl wait`, Argo CD and Flux agree with them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent_operator.api.reasons import Reason
from agent_operator.status import rollout_messages
from agent_operator.status.observed import ObservedState, Pods

Condition = dict[str, Any]


def decide(state: ObservedState, before: Sequence[Mapping[str, Any]], now: str) -> list[Condition]:
    """Decide all conditions.

    Args:
        state: what is known.
        before: the conditions in status; only their lastTransitionTime is taken over.
        now: time of a transition, RFC 3339 in UTC.
    """
    pods = Pods.of(state.deployment)
    found = [
        _ready(state, pods),
        _available(state, pods),
        _progressing(state, pods),
        _config_valid(state),
        _secrets_ready(state),
        *_kstatus(state, pods),
        *_warning(state),
    ]
    return list(merge_conditions(found, before, state.generation, now))


def is_true(conditions: Iterable[Mapping[str, Any]], kind: str) -> bool:
    """Tell whether a condition is there and true."""
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)


def _condition(kind: str, status: bool | None, reason: str, message: str) -> Condition:
    text = "Unknown" if status is None else str(status)
    return {"type": kind, "status": text, "reason": reason, "message": message}


def _ready(state: ObservedState, pods: Pods) -> Condition:
    blocking = _blocking_condition(state)
    if blocking is not None:
        return _condition("Ready", None if state.suspended else False, *blocking)
    if not _serves(state, pods):
        return _condition("Ready", False, *_unfinished(state, pods))
    if pods.wanted == 0:
        return _condition("Ready", True, Reason.SCALED_TO_ZERO, "no pod is wanted; nobody answers")
    message = f"{pods.available} of {pods.wanted} pods are ready"
    rolled = state.rollout.rolled_back
    if rolled is not None:
        return _condition("Ready", True, Reason.ROLLED_BACK, f"{message}, of revision {rolled.to}; see Progressing")
    return _condition("Ready", True, Reason.READY, message)


def _serves(state: ObservedState, pods: Pods) -> bool:
    """Tell whether what should serve does. Where that is not what the spec asks for, Progressing and others say so."""
    rolled = state.rollout.rolled_back
    if state.rollout.canary is not None or (rolled is not None and not rolled.manual):
        # Stable pods come and go to make room for the canary's, and those that were given up leave.
        return pods.available >= pods.wanted
    return pods.complete


def _available(state: ObservedState, pods: Pods) -> Condition:
    if state.deployment is None:
        return _condition("Available", False, Reason.NO_DEPLOYMENT, "there is no Deployment")
    if pods.wanted == 0 and pods.available == 0:
        return _condition("Available", False, Reason.SCALED_TO_ZERO, "no pod is wanted")
    message = f"{pods.available} of {pods.wanted} pods are available"
    if pods.available > 0 and _deployment_condition(state, "Available").get("status") != "False":
        return _condition("Available", True, Reason.AVAILABLE, message)
    return _condition("Available", False, Reason.UNAVAILABLE, message)


def _progressing(state: ObservedState, pods: Pods) -> Condition:
    blocking = _blocking_condition(state)
    if blocking is not None:
        under_way = not state.suspended and state.first_problem is None
        return _condition("Progressing", under_way, *blocking)
    if state.rollout.rolled_back is not None:
        return _condition(
            "Progressing", False, Reason.ROLLED_BACK, rollout_messages.given_up(state.rollout.rolled_back)
        )
    if state.rollout.canary is not None:
        return _condition("Progressing", True, *rollout_messages.canary(state.rollout, state.rollout.canary))
    if pods.complete:
        return _condition("Progressing", False, Reason.ROLLOUT_COMPLETE, "all pods run the current revision")
    reason, message = _unfinished(state, pods)
    return _condition("Progressing", reason is not Reason.DEADLINE_EXCEEDED, reason, message)


def _blocking_condition(state: ObservedState) -> tuple[str, str] | None:
    """What there is to say before one can ask how far the rollout is."""
    if state.suspended:
        return Reason.SUSPENDED, "spec.suspend is true: set it to false to go on"
    problem = state.first_problem
    if problem is not None:
        return problem.reason, str(problem)
    if not state.applied:
        return Reason.NOT_APPLIED, "children are being written"
    if state.deployment is None:
        return Reason.NO_DEPLOYMENT, "the Deployment is still to be made"
    return None


def _unfinished(state: ObservedState, pods: Pods) -> tuple[Reason, str]:
    failing = (
        f"; pod {state.failure['pod']}: {state.failure['reason']}, see status.lastFailure" if state.failure else ""
    )
    if pods.observed and _deployment_condition(state, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return Reason.DEADLINE_EXCEEDED, "the rollout made no progress in time" + failing
    counts = f"{pods.updated} of {pods.wanted} pods are of the current revision, {pods.available} available" + failing
    if pods.observed and pods.updated == pods.total == pods.wanted:
        return Reason.UNAVAILABLE, counts
    return Reason.ROLLING_OUT, counts


def _config_valid(state: ObservedState) -> Condition:
    if state.invalid is not None:
        return _condition("ConfigValid", False, state.invalid.reason, str(state.invalid))
    return _condition("ConfigValid", True, Reason.VALID, "the spec can be rendered")


def _secrets_ready(state: ObservedState) -> Condition:
    if state.secrets is not None:
        return _condition("SecretsReady", False, state.secrets.reason, str(state.secrets))
    if state.suspended or state.invalid is not None:
        return _condition("SecretsReady", None, Reason.NOT_CHECKED, "not looked at while another fault stands")
    if not state.uses_secrets:
        return _condition("SecretsReady", True, Reason.NOT_REFERENCED, "the agent names no Secret")
    return _condition("SecretsReady", True, Reason.FOUND, "the Secret is there, with every key")


def _kstatus(state: ObservedState, pods: Pods) -> Iterable[Condition]:
    if state.suspended:
        return
    ready = _ready(state, pods)
    if ready["status"] == "True":
        yield from _not_as_asked(state)
        return
    problem = state.first_problem
    stalled = not problem.retry if problem is not None else ready["reason"] == Reason.DEADLINE_EXCEEDED
    yield _condition("Stalled" if stalled else "Reconciling", True, ready["reason"], ready["message"])


def _not_as_asked(state: ObservedState) -> Iterable[Condition]:
    """Tell who waits for the current spec that it is not there yet, or will not be, however well the old one serves."""
    rolled, canary = state.rollout.rolled_back, state.rollout.canary
    if rolled is not None and not rolled.manual:
        yield _condition("Stalled", True, Reason.ROLLED_BACK, rollout_messages.given_up(rolled))
    if canary is not None:
        yield _condition("Reconciling", True, *rollout_messages.canary(state.rollout, canary))


def _warning(state: ObservedState) -> Iterable[Condition]:
    if state.warnings:
        message = "; ".join(str(warning) for warning in state.warnings)
        yield _condition("Warning", True, state.warnings[0].reason, message)


def _deployment_condition(state: ObservedState, kind: str) -> Mapping[str, Any]:
    found = ((state.deployment or {}).get("status") or {}).get("conditions") or ()
    return next((condition for condition in found if condition["type"] == kind), {})


def merge_conditions(
    found: Iterable[Condition], before: Sequence[Mapping[str, Any]], generation: int, now: str
) -> Iterable[Condition]:
    """Add the generation, and the time of the last flip."""
    known = {condition["type"]: condition for condition in before}
    for condition in found:
        old = known.get(condition["type"], {})
        same = old.get("status") == condition["status"]
        since = old.get("lastTransitionTime", now) if same else now
        yield {**condition, "lastTransitionTime": since, "observedGeneration": generation}
