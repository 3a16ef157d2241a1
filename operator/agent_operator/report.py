"""What the status says. Pure: facts and live objects in, status out."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agent_operator import names, rotation
from agent_operator.conditions import Facts, Pods, decide, is_true
from agent_operator.kinds import BY_NAME
from agent_operator.objects import Live, Object, Ref
from agent_operator.plan import owned
from agent_operator.render import Rendered

_NOT_CHILDREN = frozenset({"Pod", "ReplicaSet"})


def status(
    facts: Facts,
    before: Mapping[str, Any],
    live: Mapping[Ref, Object],
    rendered: Rendered | None,
    *,
    name: str,
    now: str,
) -> Object:
    """Write the whole status anew.

    Args:
        facts: what the conditions are decided on.
        before: the status as it is; what is not known now is taken over from it.
        live: the agent's own live objects, trimmed.
        rendered: what was rendered, if anything could be.
        name: of the agent.
        now: RFC 3339 in UTC.
    """
    conditions = decide(facts, before.get("conditions") or (), now)
    counts = Pods.of(facts.deployment)
    found: Object = {
        "observedGeneration": facts.generation,
        "conditions": conditions,
        "replicas": counts.total,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.ready,
        "ready": f"{counts.ready}/{counts.wanted}",
        "selector": f"{names.LABEL_APP}={name}",
        "children": _children(live, rendered),
        "lastFailure": facts.failure,
    }
    for key in ("model", "runtimeVersion", "revision", "lastGoodRevision", "url", "secrets"):
        found[key] = before.get(key)
    if rendered is not None:
        found |= {"model": rendered.model, "url": rendered.url}
        found["secrets"] = rotation.proof(rendered.secrets, before.get("secrets") or (), facts.pods, now) or None
        if facts.applied:
            found |= {"revision": rendered.revision, "runtimeVersion": rendered.runtime_version}
            if is_true(conditions, "Ready"):
                found["lastGoodRevision"] = rendered.revision
    return {key: value for key, value in found.items() if value is not None}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Object:
    """Tell the merge patch from one status to the other; empty when they are equal."""
    removed: Object = {key: None for key in before if key not in after}
    return removed | {key: value for key, value in after.items() if before.get(key) != value}


def own(live: Mapping[Ref, Live], uid: str) -> dict[Ref, Object]:
    """Unpack the children that the agent owns."""
    unpacked = {target: found.object for target, found in live.items() if target.kind not in _NOT_CHILDREN}
    return {target: obj for target, obj in unpacked.items() if owned(obj, uid)}


def pods(live: Mapping[Ref, Live]) -> tuple[Object, ...]:
    """Unpack the agent's pods, by name."""
    return tuple(live[target].object for target in sorted(target for target in live if target.kind == "Pod"))


def first_failure(pods: Iterable[Mapping[str, Any]]) -> Object | None:
    """Return the failure of the first failing pod, by name: so the answer does not jump from pod to pod."""
    return next((pod["failure"] for pod in pods if pod.get("failure")), None)


def _children(live: Mapping[Ref, Object], rendered: Rendered | None) -> list[Object]:
    wanted = {} if rendered is None else {_ref(manifest): manifest["apiVersion"] for manifest in rendered.manifests}
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
