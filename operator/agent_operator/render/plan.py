"""What to do: desired against live gives actions. Pure; every action is idempotent and names what it must not hit.

An owned object is one whose controlling ownerReference is the agent, or, where there is no controller (another
namespace, or a reference removed by hand), one that carries the agent's UID as a label.
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

# Not deleted because the CR left them out: a namespace goes with its agent only, and the rest are not ours to write.
_NEVER_PRUNED = frozenset({"Namespace", "ReplicaSet", "Pod"})
# Not compared: the list items of an API server do not carry them, and they are part of the path anyway.
_ENVELOPE = ("apiVersion", "kind")


@dataclass(frozen=True, slots=True)
class Apply:
    """Write a manifest.

    Attributes:
        manifest: what to write.
        uid: the object that must be there; empty when there must be none.
        replicas: value of spec.replicas to hand to the second manager first, so that dropping it does not reset it.
    """

    manifest: Manifest
    uid: str = ""
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an object, if it still is the one with this UID."""

    ref: Ref
    uid: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in order.

    Attributes:
        applies: objects to write, in this order.
        deletes: objects to delete afterwards.
        conflict: why the next object cannot be written. The plan has no applies beyond it.
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
        message = f"{target} is being deleted: it is made anew when it is gone; see its finalizers"
        return Problem(reason, "", message, retry=True)
    return Problem(
        Reason.CONFLICT,
        "",
        f"{target} exists and does not belong to this AgentDeployment, so it is left alone: delete or rename it, or "
        "give the AgentDeployment another name",
    )


def owned(live: Mapping[str, Any], uid: str) -> bool:
    """Tell whether an object belongs to the agent with this UID."""
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
    held: Iterable[Ref] = (),
) -> Plan:
    """Compare what should be with what is.

    Args:
        desired: manifests, in the order in which they are to be applied.
        live: all watched objects that say they belong to the agent, pods and ReplicaSets too.
        uid: metadata.uid of the AgentDeployment.
        held: objects that are wanted but not to be touched now.
    """
    applies: list[Apply] = []
    found_conflict = None
    wanted = {ref(manifest["kind"], manifest) for manifest in desired}
    for manifest in desired:
        found = _decide(manifest, live.get(ref(manifest["kind"], manifest)), uid)
        if isinstance(found, Problem):
            # Later objects may need the one that cannot be written.
            found_conflict = found
            break
        if found is not None:
            applies.append(found)
    return Plan(tuple(applies), tuple(_prune(live, wanted | set(held), uid)), found_conflict)


def _decide(manifest: Manifest, live: Live | None, uid: str) -> Apply | Problem | None:
    if live is None:
        return Apply(manifest)
    there = live.object
    target = ref(manifest["kind"], manifest)
    if not owned(there, uid):
        return conflict(target)
    if "deletionTimestamp" in there["metadata"]:
        return conflict(target, terminating=True)
    if covers(there, {k: v for k, v in with_hashed_data(target.kind, manifest).items() if k not in _ENVELOPE}):
        return None
    return Apply(manifest, live.uid, _handover(manifest, live, there))


def _handover(manifest: Manifest, live: Live, there: Object) -> int | None:
    """Without another owner of the field, the API server would reset replicas to 1 as we stop naming it."""
    leaves = live.owns_replicas and "replicas" not in manifest["spec"]
    return there["spec"].get("replicas") if leaves else None


def _prune(live: Mapping[Ref, Live], wanted: set[Ref], uid: str) -> Iterable[Delete]:
    used: set[str] = set()
    for target, found in live.items():
        if target.kind in ("Pod", "ReplicaSet"):
            used.update(found.object["uses"])
    for target, found in sorted(live.items()):
        if target in wanted or target.kind in _NEVER_PRUNED:
            continue
        there = found.object
        if not owned(there, uid) or "deletionTimestamp" in there["metadata"]:
            continue
        # What a pod mounts stays until the pod is gone.
        if target.kind != "ConfigMap" or target.name not in used:
            yield Delete(target, found.uid)
