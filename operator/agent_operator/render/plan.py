"""The diff of desired and live objects. Pure. Every action is idempotent and carries the UID of its object.

An agent owns the objects whose controlling owner reference names it. It also owns objects without a controlling owner
that have its UID as a label: children in another namespace cannot have an owner reference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.objects import Live, Object, Ref, ref, with_hashed_data
from agent_operator.render.compare import covers

Manifest = Mapping[str, Any]

# Kinds that are not deleted if the spec does not need them. A namespace is deleted with its agent, and controllers
# delete ReplicaSets and Pods.
_NEVER_PRUNED = frozenset({"Namespace", "ReplicaSet", "Pod"})
# Fields that are not compared: the items of a list lack them, and the path of an object determines them.
_ENVELOPE = ("apiVersion", "kind")


@dataclass(frozen=True, slots=True)
class Apply:
    """Write a manifest.

    Attributes:
        manifest: the desired object.
        uid: UID of the object to update; empty to create an object.
        replicas: spec.replicas to hand over to another field manager first, so that removing it does not reset it.
    """

    manifest: Manifest
    uid: str = ""
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object with this UID."""

    ref: Ref
    uid: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in order.

    Attributes:
        applies: objects to write, in this order.
        deletes: objects to delete afterwards.
        conflict: why the next object cannot be written. The plan has no applies after that object.
    """

    applies: tuple[Apply, ...] = ()
    deletes: tuple[Delete, ...] = ()
    conflict: Problem | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.applies and not self.deletes


def conflict(target: Ref, *, terminating: bool = False) -> Problem:
    """Describe an object that cannot be written: it belongs to another owner, or it is being deleted."""
    if terminating:
        reason = Reason.NAMESPACE_TERMINATING if target.kind == "Namespace" else Reason.TERMINATING
        message = (
            f"{target} is being deleted: the operator creates it again after the deletion; if the deletion does not "
            "end, check the finalizers of the object"
        )
        return Problem(reason, "", message, retry=True)
    return Problem(
        Reason.CONFLICT,
        "",
        f"{target} exists and does not belong to this AgentDeployment, so the operator does not change it: delete or "
        "rename it, or rename the AgentDeployment",
    )


def unreadable(target: Ref, live: Live) -> Problem:
    """Describe a child that cannot be read."""
    return Problem(
        Reason.UNREADABLE,
        "",
        f"{target} belongs to this AgentDeployment, but the operator cannot read it: {live.unreadable}: delete it, and "
        "the operator creates it again",
        retry=True,
    )


def owned(live: Mapping[str, Any], uid: str) -> bool:
    """Return whether the agent with this UID owns an object."""
    meta = live["metadata"]
    controllers = [owner for owner in meta.get("ownerReferences") or () if owner.get("controller")]
    if controllers:
        return any(owner["uid"] == uid for owner in controllers)
    return (meta.get("labels") or {}).get(constants.LABEL_OWNER_UID) == uid


def plan(
    desired: Sequence[Manifest],
    live: Mapping[Ref, Live],
    uid: str,
    *,
    retained: Iterable[Ref] = (),
) -> Plan:
    """Compare desired with live objects.

    Args:
        desired: manifests in the order in which they are applied.
        live: all live objects with the labels of the agent, also pods and ReplicaSets.
        uid: metadata.uid of the AgentDeployment.
        retained: objects that stay as they are, although they are not in `desired`.
    """
    applies: list[Apply] = []
    first_conflict = None
    wanted = {ref(manifest["kind"], manifest) for manifest in desired}
    for manifest in desired:
        action = _decide(manifest, live.get(ref(manifest["kind"], manifest)), uid)
        if isinstance(action, Problem):
            # Stop here, because later objects may need the object that cannot be written.
            first_conflict = action
            break
        if action is not None:
            applies.append(action)
    return Plan(tuple(applies), tuple(_prune(live, wanted | set(retained), uid)), first_conflict)


def _decide(manifest: Manifest, live: Live | None, uid: str) -> Apply | Problem | None:
    if live is None:
        return Apply(manifest)
    obj = live.object
    target = ref(manifest["kind"], manifest)
    if not owned(obj, uid):
        return conflict(target)
    if "deletionTimestamp" in obj["metadata"]:
        return conflict(target, terminating=True)
    if live.unreadable:
        return unreadable(target, live)
    if covers(obj, {k: v for k, v in with_hashed_data(target.kind, manifest).items() if k not in _ENVELOPE}):
        return None
    return Apply(manifest, live.uid, _handover(manifest, live, obj))


def _handover(manifest: Manifest, live: Live, obj: Object) -> int | None:
    """Return the replicas to hand over. If no manager owned the field, the API server would reset it to 1."""
    leaves = live.owns_replicas and "replicas" not in manifest["spec"]
    return obj["spec"].get("replicas") if leaves else None


def _prune(live: Mapping[Ref, Live], wanted: set[Ref], uid: str) -> Iterable[Delete]:
    used: set[str] = set()
    is_known = True
    for target, found in live.items():
        if target.kind in ("Pod", "ReplicaSet"):
            used.update(found.object["uses"])
            is_known &= not found.unreadable
    for target, found in sorted(live.items()):
        if target in wanted or target.kind in _NEVER_PRUNED:
            continue
        obj = found.object
        if not owned(obj, uid) or "deletionTimestamp" in obj["metadata"]:
            continue
        # A ConfigMap stays while a pod mounts it, or while a pod cannot be read.
        if target.kind != "ConfigMap" or (is_known and target.name not in used):
            yield Delete(target, found.uid)
