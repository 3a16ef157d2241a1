"""What is true of an agent, as conditions. Pure: the clock's reading is an argument.

The conditions follow kstatus: `Reconciling` and `Stalled` are there only while true, and an observedGeneration older
than the object's says that nothing here is about the current spec. So `kubectl wait`, Argo CD and Flux agree with them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent_operator.api.reasons import Reason
from agent_operator.status import rollout_messages
from agent_operator.status.observed import Facts, Pods

Condition = dict[str, Any]


def decide(facts: Facts, before: Sequence[Mapping[str, Any]], now: str) -> list[Condition]:
    """Decide all conditions.

    Args:
        facts: what is known.
        before: the conditions in status; only their lastTransitionTime is taken over.
        now: time of a transition, RFC 3339 in UTC.
    """
    pods = Pods.of(facts.deployment)
    found = [
        _ready(facts, pods),
        _available(facts, pods),
        _progressing(facts, pods),
        _config_valid(facts),
        _secrets_ready(facts),
        *_kstatus(facts, pods),
        *_warning(facts),
    ]
    return list(settle(found, before, facts.generation, now))


def is_true(conditions: Iterable[Mapping[str, Any]], kind: str) -> bool:
    """Tell whether a condition is there and true."""
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)


def _condition(kind: str, status: bool | None, reason: str, message: str) -> Condition:
    text = "Unknown" if status is None else str(status)
    return {"type": kind, "status": text, "reason": reason, "message": message}


def _ready(facts: Facts, pods: Pods) -> Condition:
    hindrance = _hindrance(facts)
    if hindrance is not None:
        return _condition("Ready", None if facts.suspended else False, *hindrance)
    if not _serves(facts, pods):
        return _condition("Ready", False, *_unfinished(facts, pods))
    if pods.wanted == 0:
        return _condition("Ready", True, Reason.SCALED_TO_ZERO, "no pod is wanted; nobody answers")
    message = f"{pods.available} of {pods.wanted} pods are ready"
    rolled = facts.rollout.rolled_back
    if rolled is not None:
        return _condition("Ready", True, Reason.ROLLED_BACK, f"{message}, of revision {rolled.to}; see Progressing")
    return _condition("Ready", True, Reason.READY, message)


def _serves(facts: Facts, pods: Pods) -> bool:
    """Tell whether what should serve does. Where that is not what the spec asks for, Progressing and others say so."""
    rolled = facts.rollout.rolled_back
    if facts.rollout.canary is not None or (rolled is not None and not rolled.manual):
        # Stable pods come and go to make room for the canary's, and those that were given up leave.
        return pods.available >= pods.wanted
    return pods.complete


def _available(facts: Facts, pods: Pods) -> Condition:
    if facts.deployment is None:
        return _condition("Available", False, Reason.NO_DEPLOYMENT, "there is no Deployment")
    if pods.wanted == 0 and pods.available == 0:
        return _condition("Available", False, Reason.SCALED_TO_ZERO, "no pod is wanted")
    message = f"{pods.available} of {pods.wanted} pods are available"
    if pods.available > 0 and _deployment_condition(facts, "Available").get("status") != "False":
        return _condition("Available", True, Reason.AVAILABLE, message)
    return _condition("Available", False, Reason.UNAVAILABLE, message)


def _progressing(facts: Facts, pods: Pods) -> Condition:
    hindrance = _hindrance(facts)
    if hindrance is not None:
        under_way = not facts.suspended and facts.first_problem is None
        return _condition("Progressing", under_way, *hindrance)
    if facts.rollout.rolled_back is not None:
        return _condition(
            "Progressing", False, Reason.ROLLED_BACK, rollout_messages.given_up(facts.rollout.rolled_back)
        )
    if facts.rollout.canary is not None:
        return _condition("Progressing", True, *rollout_messages.canary(facts.rollout, facts.rollout.canary))
    if pods.complete:
        return _condition("Progressing", False, Reason.ROLLOUT_COMPLETE, "all pods run the current revision")
    reason, message = _unfinished(facts, pods)
    return _condition("Progressing", reason is not Reason.DEADLINE_EXCEEDED, reason, message)


def _hindrance(facts: Facts) -> tuple[str, str] | None:
    """What there is to say before one can ask how far the rollout is."""
    if facts.suspended:
        return Reason.SUSPENDED, "spec.suspend is true: set it to false to go on"
    problem = facts.first_problem
    if problem is not None:
        return problem.reason, str(problem)
    if not facts.applied:
        return Reason.NOT_APPLIED, "children are being written"
    if facts.deployment is None:
        return Reason.NO_DEPLOYMENT, "the Deployment is still to be made"
    return None


def _unfinished(facts: Facts, pods: Pods) -> tuple[Reason, str]:
    failing = (
        f"; pod {facts.failure['pod']}: {facts.failure['reason']}, see status.lastFailure" if facts.failure else ""
    )
    if pods.observed and _deployment_condition(facts, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return Reason.DEADLINE_EXCEEDED, "the rollout made no progress in time" + failing
    counts = f"{pods.updated} of {pods.wanted} pods are of the current revision, {pods.available} available" + failing
    if pods.observed and pods.updated == pods.total == pods.wanted:
        return Reason.UNAVAILABLE, counts
    return Reason.ROLLING_OUT, counts


def _config_valid(facts: Facts) -> Condition:
    if facts.invalid is not None:
        return _condition("ConfigValid", False, facts.invalid.reason, str(facts.invalid))
    return _condition("ConfigValid", True, Reason.VALID, "the spec can be rendered")


def _secrets_ready(facts: Facts) -> Condition:
    if facts.secrets is not None:
        return _condition("SecretsReady", False, facts.secrets.reason, str(facts.secrets))
    if facts.suspended or facts.invalid is not None:
        return _condition("SecretsReady", None, Reason.NOT_CHECKED, "not looked at while another fault stands")
    if not facts.uses_secrets:
        return _condition("SecretsReady", True, Reason.NOT_REFERENCED, "the agent names no Secret")
    return _condition("SecretsReady", True, Reason.FOUND, "the Secret is there, with every key")


def _kstatus(facts: Facts, pods: Pods) -> Iterable[Condition]:
    if facts.suspended:
        return
    ready = _ready(facts, pods)
    if ready["status"] == "True":
        yield from _not_as_asked(facts)
        return
    problem = facts.first_problem
    stalled = not problem.retry if problem is not None else ready["reason"] == Reason.DEADLINE_EXCEEDED
    yield _condition("Stalled" if stalled else "Reconciling", True, ready["reason"], ready["message"])


def _not_as_asked(facts: Facts) -> Iterable[Condition]:
    """Tell who waits for the current spec that it is not there yet, or will not be, however well the old one serves."""
    rolled, canary = facts.rollout.rolled_back, facts.rollout.canary
    if rolled is not None and not rolled.manual:
        yield _condition("Stalled", True, Reason.ROLLED_BACK, rollout_messages.given_up(rolled))
    if canary is not None:
        yield _condition("Reconciling", True, *rollout_messages.canary(facts.rollout, canary))


def _warning(facts: Facts) -> Iterable[Condition]:
    if facts.warnings:
        message = "; ".join(str(warning) for warning in facts.warnings)
        yield _condition("Warning", True, facts.warnings[0].reason, message)


def _deployment_condition(facts: Facts, kind: str) -> Mapping[str, Any]:
    found = ((facts.deployment or {}).get("status") or {}).get("conditions") or ()
    return next((condition for condition in found if condition["type"] == kind), {})


def settle(
    found: Iterable[Condition], before: Sequence[Mapping[str, Any]], generation: int, now: str
) -> Iterable[Condition]:
    """Add the generation, and the time of the last flip."""
    known = {condition["type"]: condition for condition in before}
    for condition in found:
        old = known.get(condition["type"], {})
        same = old.get("status") == condition["status"]
        since = old.get("lastTransitionTime", now) if same else now
        yield {**condition, "lastTransitionTime": since, "observedGeneration": generation}
