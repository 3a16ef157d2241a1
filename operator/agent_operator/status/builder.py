"""Computes the status of an agent from the observed state and the live objects. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from agent_operator.api import bounds, constants
from agent_operator.api.problems import Problem, shorten
from agent_operator.api.reasons import Reason
from agent_operator.diagnosis.findings import Diagnosis
from agent_operator.kube.objects import Live, Object, Ref
from agent_operator.kube.pod_failures import with_earlier_cause
from agent_operator.kube.resources import BY_NAME
from agent_operator.render import Rendered
from agent_operator.render.plan import Owner
from agent_operator.status import secret_rotation
from agent_operator.status.conditions import decide, is_true, serves
from agent_operator.status.observed import ObservedState, Pods

# Pods and ReplicaSets belong to the Deployment. `agentctl history` shows the ControllerRevisions.
_NOT_CHILDREN = frozenset({"ControllerRevision", "Pod", "ReplicaSet"})
# Conditions that cause an Event when they get this status. Reconciling and Progressing change too often.
_EVENT_TYPES: Mapping[tuple[str, str], str] = {
    ("Ready", "True"): "Normal",
    ("ConfigValid", "False"): "Warning",
    ("SecretsReady", "False"): "Warning",
    ("ComponentsHealthy", "False"): "Warning",
    ("Stalled", "True"): "Warning",
}
_ROLLOUT_REASONS = frozenset({Reason.CANARY, Reason.CANARY_PAUSED})
# Fields that keep their values if a pass cannot compute them. The channel controller writes `channel`.
_KEPT_FIELDS = ("model", "runtimeVersion", "revision", "lastGoodRevision", "url", "egress", "secrets", "channel")


def status(
    state: ObservedState,
    before: Mapping[str, Any],
    live: Mapping[Ref, Object],
    rendered: Rendered | None,
    *,
    name: str,
    now: str,
) -> Object:
    """Return the complete status.

    Args:
        state: what the conditions are derived from.
        before: the current status. Fields that this pass cannot compute keep their values.
        live: the live children, trimmed.
        rendered: the rendered spec; None if the spec was not rendered.
        name: name of the agent.
        now: RFC 3339 in UTC.
    """
    conditions = decide(state, before.get("conditions") or (), now)
    stable, canary = Pods.of(state.deployment), Pods.of(state.canary)
    rollout = state.rollout.model_dump(mode="json", by_alias=True, exclude_none=True)
    after: Object = {field: before.get(field) for field in _KEPT_FIELDS} | {
        "observedGeneration": state.generation,
        "conditions": conditions,
        "replicas": stable.total + canary.total,
        # During a canary, the stable pods run the previous revision.
        "updatedReplicas": canary.updated if state.rollout.canary else stable.updated,
        "readyReplicas": stable.ready + canary.ready,
        "ready": f"{stable.ready + canary.ready}/{stable.wanted + canary.wanted}",
        "rollout": rollout or None,
        "selector": f"{constants.LABEL_APP}={name}",
        "children": _children(live, rendered)[: bounds.CHILDREN],
        "warnings": [_warning(warning) for warning in state.warnings[: bounds.WARNINGS]] or None,
        "usage": list(state.usage) or None,
        "lastFailure": state.failure and _bounded(state.failure),
        "namespaceUid": state.namespace_uid,
    }
    if rendered is not None:
        after |= {
            "model": rendered.model,
            "url": rendered.url,
            "egress": rendered.egress,
            "secrets": _secrets(rendered, before, state, now),
        }
    if rendered is not None and state.applied:
        after |= {"revision": state.rollout.stable, "runtimeVersion": rendered.runtime_version}
        if serves(state) and stable.wanted:
            after["lastGoodRevision"] = state.rollout.stable
    return {field: value for field, value in after.items() if value is not None}


def _secrets(rendered: Rendered, before: Mapping[str, Any], state: ObservedState, now: str) -> list[Object] | None:
    if not rendered.secrets:
        return None
    found = secret_rotation.proof(rendered.secrets, before.get("secrets") or (), state.pods, now)
    return found[: bounds.SECRETS] or None


def _warning(problem: Problem) -> Object:
    found = {"reason": problem.reason, "field": problem.field[: bounds.FIELD_PATH], "message": shorten(problem.message)}
    return {key: value for key, value in found.items() if value}


def _bounded(failure: Mapping[str, Any]) -> Object:
    """Shorten what a pod reports to what the schema of the status allows."""
    limits = {"container": bounds.DNS_SUBDOMAIN, "reason": bounds.IDENTIFIER, "time": bounds.TIME}
    return {key: value[: limits[key]] if key in limits else value for key, value in failure.items()}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Object:
    """Return the merge patch from one status to the other; empty when they are equal."""
    patch: Object = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if old != value:
            # A merge patch merges nested objects, so it must set removed fields to null.
            patch[key] = changes(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return patch


def own(live: Mapping[Ref, Live], owner: Owner) -> dict[Ref, Object]:
    """Return the children that the agent owns, unpacked."""
    unpacked = {target: found.object for target, found in live.items() if target.kind not in _NOT_CHILDREN}
    return {target: obj for target, obj in unpacked.items() if owner.owns(target, obj, live[target].uid)}


def pods(live: Mapping[Ref, Live]) -> tuple[Object, ...]:
    """Return the agent's pods by name, unpacked, with their UIDs, without the pods of its checks."""
    targets = sorted(target for target in live if target.kind == "Pod")
    found = [(live[target].object, live[target].uid) for target in targets]
    return tuple(pod | {"metadata": pod["metadata"] | {"uid": uid}} for pod, uid in found if "job" not in pod)


def first_failure(
    pods: Iterable[Mapping[str, Any]], deployments: Iterable[Mapping[str, Any] | None], before: Mapping[str, Any]
) -> Object | None:
    """Return status.lastFailure.

    Args:
        pods: the live pods, by name, so that the status does not alternate between pods.
        deployments: the live Deployments, whose pods the API server may reject.
        before: the current status.
    """
    objects = (*pods, *filter(None, deployments))
    found = next((obj["failure"] for obj in objects if obj.get("failure")), None)
    return with_earlier_cause(found, before.get("lastFailure")) if found else None


def pod_failure(
    found: Mapping[str, Any] | None, diagnosis: Diagnosis, before: Mapping[str, Any] | None, *, unready: Iterable[str]
) -> Mapping[str, Any] | None:
    """Return status.lastFailure.

    Args:
        found: the failure that the status of a pod or a Deployment shows.
        diagnosis: what the pods and their Events say.
        before: the current status.lastFailure.
        unready: names of the pods, if too few are ready.
    """
    names = set(unready)
    if found is not None:
        return found
    if diagnosis.failure is not None and diagnosis.failure["pod"] in names:
        return diagnosis.failure
    vital = next((it for it in diagnosis.components or () if it.is_vital and it.pod in names), None)
    if vital is not None:
        return vital.failure
    # After a restart of the operator, the failure remains until the pods have been looked at.
    keeps = not diagnosis.is_complete and before is not None and before.get("pod") in names
    return before if keeps else None


def _children(live: Mapping[Ref, Object], rendered: Rendered | None) -> list[Object]:
    wanted = (
        {}
        if rendered is None
        else {
            _ref(manifest): manifest["apiVersion"]
            for manifest in rendered.manifests
            if manifest["kind"] not in _NOT_CHILDREN
        }
    )
    return [
        {
            "apiVersion": wanted.get(target) or BY_NAME[target.kind].versions[0],
            "kind": target.kind,
            "name": target.name,
            **({"namespace": target.namespace} if target.namespace else {}),
            "ready": target in live and _READY.get(target.kind, _exists)(live[target]),
        }
        for target in sorted({*live, *wanted}, key=_order)
    ]


def _ref(manifest: Mapping[str, Any]) -> Ref:
    meta = manifest["metadata"]
    return Ref(manifest["kind"], meta.get("namespace", ""), meta["name"])


def _order(target: Ref) -> tuple[int, Ref]:
    return list(BY_NAME).index(target.kind), target


def _exists(obj: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" not in obj["metadata"]


def _conditions(obj: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (obj.get("status") or {}).get("conditions") or ()


_READY: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "Deployment": lambda obj: _exists(obj) and Pods.of(obj).complete,
    "ExternalSecret": lambda obj: _exists(obj) and is_true(_conditions(obj), "Ready"),
}


def transitions(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> Iterable[tuple[Mapping[str, Any], str]]:
    """Yield the conditions that changed status or reason and cause an Event, with its type; each reason once.

    The conditions in the status contain the previous state, so a restarted operator does not repeat Events.
    """
    previous = {condition["type"]: (condition["status"], condition["reason"]) for condition in before}
    emitted = set()
    for condition in after:
        severity = _EVENT_TYPES.get((condition["type"], condition["status"]))
        if condition["type"] == "Progressing" and condition["reason"] in _ROLLOUT_REASONS:
            severity = "Normal"
        changed = previous.get(condition["type"]) != (condition["status"], condition["reason"])
        if severity and changed and condition["reason"] not in emitted:
            emitted.add(condition["reason"])
            yield condition, severity


def new_warnings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[tuple[Mapping[str, Any], str]]:
    """Yield the warnings that one status has and the earlier one lacks, with the type of their Event."""
    known = {(warning.get("reason"), warning.get("field")) for warning in before.get("warnings") or ()}
    for warning in after.get("warnings") or ():
        if (warning["reason"], warning.get("field")) not in known:
            text = f"{warning['field']}: {warning['message']}" if "field" in warning else warning["message"]
            yield {"reason": warning["reason"], "message": text}, "Warning"
