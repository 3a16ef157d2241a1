"""The diff of desired and live objects, and which live objects belong to an agent. Pure.

Every action is idempotent and carries the UID of its object. Objects of others are neither changed nor deleted.
Everyone who can write an object can set its labels, so these alone prove nothing: see Owner.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.objects import Key, Live, Object, Ref, ref, with_hashed_data
from agent_operator.render.compare import covers
from agent_operator.render.conflicts import conflict, conflicts, unreadable
from agent_operator.render.former_owner import goes_away

Manifest = Mapping[str, Any]

# Kinds that are not deleted if the spec does not need them. A namespace is deleted with its agent, and controllers
# delete ReplicaSets and Pods.
_NEVER_PRUNED = frozenset({"Namespace", "ReplicaSet", "Pod"})
# Fields that are not compared: the items of a list lack them, and the path of an object determines them.
_ENVELOPE = ("apiVersion", "kind")
# The value of status.namespaceUid between the decision to create the Namespace and the response of the API server.
REQUESTED = "requested"
_DIGEST = re.compile(r"[0-9a-f]+")
# What the names of children append to the name of the agent. Children of other kinds have its name.
_SUFFIX = {
    **dict.fromkeys(("Deployment", "Service"), re.compile("-canary")),
    **dict.fromkeys(("ExternalSecret", "Secret"), re.compile("-secrets")),
    "ConfigMap": re.compile("-config-[0-9a-f]+|-dashboard"),
    "ControllerRevision": re.compile("-[0-9a-f]+"),
}


@dataclass(frozen=True, slots=True)
class Owner:
    """An agent as the owner of its children.

    A child in the namespace of the AgentDeployment has it as controlling owner reference. Owner references cannot cross
    into the namespace of spec.namespace. There, a child has no controller, the name of a child, and labels with the
    agent and its UID. The Namespace itself is the one that status.namespaceUid records. Only the operator may write it.

    Attributes:
        uid: metadata.uid of the AgentDeployment.
        key: namespace and name of the AgentDeployment.
        namespace: the namespace of the children.
        namespace_uid: status.namespaceUid; empty if the operator has created no Namespace for the agent.
    """

    uid: str
    key: Key
    namespace: str
    namespace_uid: str = ""

    def owns(self, target: Ref, obj: Mapping[str, Any], uid: str) -> bool:
        """Return whether an object belongs to the agent. `uid`: metadata.uid, which trimmed objects lack."""
        meta = obj["metadata"]
        controller = next((owner for owner in meta.get("ownerReferences") or () if owner.get("controller")), None)
        if target.kind == "Namespace":
            created = target.name == self.namespace and self.namespace_uid in (REQUESTED, uid)
            return created and controller is None and self._is_named_by(meta)
        if target.namespace != self.namespace:
            return False
        if self.namespace != self.key.namespace:
            return controller is None and self._is_named_by(meta) and is_child_name(target, self.key.name)
        return (
            controller is not None
            and controller.get("uid") == self.uid
            and controller.get("kind") == constants.KIND
            and controller.get("name") == self.key.name
            and controller.get("apiVersion", "").startswith(f"{constants.GROUP}/")
        )

    def _is_named_by(self, meta: Mapping[str, Any]) -> bool:
        labels = meta.get("labels") or {}
        named = (labels.get(constants.LABEL_AGENT_NAMESPACE), labels.get(constants.LABEL_AGENT))
        return labels.get(constants.LABEL_OWNER_UID) == self.uid and named == self.key


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


def plan(
    desired: Sequence[Manifest],
    live: Mapping[Ref, Live],
    owner: Owner,
    *,
    retained: Iterable[Ref] = (),
) -> Plan:
    """Compare desired with live objects.

    Args:
        desired: manifests in the order in which they are applied.
        live: all live objects with the labels of the agent, also pods and ReplicaSets.
        owner: the agent.
        retained: objects that stay as they are, although they are not in `desired`.
    """
    applies: list[Apply] = []
    problems: list[Problem] = []
    foreign: dict[Ref, str] = {}
    wanted = {ref(manifest["kind"], manifest) for manifest in desired}
    for manifest in desired:
        action = _decide(manifest, live.get(ref(manifest["kind"], manifest)), owner)
        if isinstance(action, Problem):
            problems.append(action)
            if action.reason == Reason.CONFLICT:
                foreign[ref(manifest["kind"], manifest)] = ""
        elif action is not None and not problems:
            # After a problem nothing is written, because later objects may need the object that cannot be written.
            applies.append(action)
    deletes = tuple(_prune(live, wanted | set(retained), owner))
    blocking = conflicts(foreign) if foreign else next(iter(problems), None)
    return Plan(tuple(applies), deletes, blocking)


def _decide(manifest: Manifest, live: Live | None, owner: Owner) -> Apply | Problem | None:
    if live is None:
        return Apply(manifest)
    obj = live.object
    target = ref(manifest["kind"], manifest)
    if not owner.owns(target, obj, live.uid):
        return conflict(target, terminating=goes_away(obj, owner.uid, owner.key))
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


def _prune(live: Mapping[Ref, Live], wanted: set[Ref], owner: Owner) -> Iterable[Delete]:
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
        if not owner.owns(target, obj, found.uid) or "deletionTimestamp" in obj["metadata"]:
            continue
        # A ConfigMap stays while a pod mounts it, or while a pod cannot be read.
        if target.kind != "ConfigMap" or (is_known and target.name not in used):
            yield Delete(target, found.uid)


def owner_of(inputs: Inputs) -> Owner:
    """Return the owner of the children of a rendered agent."""
    return Owner(inputs.agent.metadata.uid, Key(inputs.own_namespace, inputs.name), inputs.namespace)


def owner_from(agent: Mapping[str, Any]) -> Owner:
    """Return the owner of the children of a live AgentDeployment, valid or not."""
    meta, status = agent["metadata"], agent.get("status") or {}
    key = Key(meta["namespace"], meta["name"])
    namespace = (agent["spec"].get("namespace") or {}).get("name") or key.namespace
    return Owner(meta["uid"], key, namespace, status.get("namespaceUid") or _former_record(status))


def _former_record(status: Mapping[str, Any]) -> str:
    """Return the record of an operator that listed its Namespace among the children, but did not store the UID."""
    children = status.get("children") or ()
    return REQUESTED if any(child["kind"] == "Namespace" and child.get("ready") for child in children) else ""


def is_child_name(target: Ref, agent: str) -> bool:
    """Return whether the operator gives this name to a child of an agent."""
    if target.name == agent or target.kind == "SecretStore":  # spec.credentials names the SecretStore
        return True
    suffix = _SUFFIX.get(target.kind)
    if suffix and target.name.startswith(agent) and suffix.fullmatch(target.name, len(agent)):
        return True
    _, separator, digest = target.name.rpartition("-checks-")
    is_of_checks = target.kind in ("ConfigMap", "Job") and bool(separator) and bool(_DIGEST.fullmatch(digest))
    return is_of_checks and target.name == constants.checks(agent, digest)
