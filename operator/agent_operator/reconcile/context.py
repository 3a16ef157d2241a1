"""The input of a pass over an agent, and the result that the workers receive. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.kube.objects import Key, Live, Object, Ref
from agent_operator.render.plan import Owner, is_child_name, owner_from

# A value takes at least two bytes, so a spec of this size has fewer values than inputs/size_limits.py allows. The cache
# contains no object that is nested deeper than the parser of JSON accepts, 200 levels.
_SMALL_BYTES = 8 * 1024
# An agent and its children normally have 30 KiB.
_LARGE_BYTES = 128 * 1024


class StaleCacheError(Exception):
    """The cached objects of a pass are out of date. Their events have not arrived yet, so retry later."""


@dataclass(frozen=True, slots=True)
class ReconcileContext:
    """The input of a pass.

    Attributes:
        key: namespace and name of the AgentDeployment.
        agent: the AgentDeployment as the cache has it.
        children: the live objects of the agent, trimmed.
        now: time of the pass, RFC 3339 in UTC.
        is_small: whether the AgentDeployment is so small that its spec is within all limits on sizes.
        is_large: whether the objects are so large that a stage of the pass takes some ten milliseconds.
    """

    key: Key
    agent: Object
    children: Mapping[Ref, Live]
    now: str
    is_small: bool = False
    is_large: bool = False

    @property
    def uid(self) -> str:
        """metadata.uid of the AgentDeployment."""
        uid: str = self.agent["metadata"]["uid"]
        return uid

    @property
    def status(self) -> Mapping[str, Any]:
        """The current status."""
        return self.agent.get("status") or {}

    @property
    def owner(self) -> Owner:
        """The agent as the owner of its children."""
        return owner_from(self.agent)

    @property
    def may_adopt(self) -> bool:
        """Whether the annotation of the agent allows it to adopt objects of others."""
        return constants.ANNOTATION_ADOPT in (self.agent["metadata"].get("annotations") or {})

    @property
    def is_deleted(self) -> bool:
        """Whether the AgentDeployment is being deleted."""
        return bool(self.agent["metadata"].get("deletionTimestamp"))

    @property
    def is_suspended(self) -> bool:
        """Whether spec.suspend is true, so that the pass changes no children."""
        return bool(self.agent["spec"].get("suspend"))


def start_pass(
    key: Key, live: Live, children: Mapping[Ref, Live], now: str, *, manage_namespaces: bool
) -> ReconcileContext:
    """Return the context of a pass.

    An object in another namespace may carry the labels of this agent, because its tenants can forge them. Only objects
    in the namespace of the children count, and only if the operator created that namespace or does not manage any.
    """
    context = ReconcileContext(key, live.object, {}, now, is_small=len(live.body) <= _SMALL_BYTES)
    owner = context.owner
    counted = {"", owner.namespace}
    if manage_namespaces and owner.namespace != key.namespace:
        target = Ref("Namespace", "", owner.namespace)
        namespace = children.get(target)
        if namespace is None or not owner.owns(target, namespace.object, namespace.uid):
            counted = {""}
    own = {target: child for target, child in children.items() if target.namespace in counted}
    if own:
        own = _with_controlled_pods(own, owner)
    return with_children(replace(context, is_large=len(live.body) > _LARGE_BYTES), own)


def with_children(context: ReconcileContext, children: Mapping[Ref, Live]) -> ReconcileContext:
    """Return the context with these children, whose bodies may be longer than those that it had."""
    size = sum([len(child.body) for child in children.values()])
    return replace(context, children=children, is_large=context.is_large or size > _LARGE_BYTES)


def _with_controlled_pods(children: Mapping[Ref, Live], owner: Owner) -> dict[Ref, Live]:
    """Leave out pods that neither a Deployment of the agent, through a ReplicaSet, nor a Job of the agent controls.

    Such a pod could otherwise report failures, and so abort a rollout.
    """
    roots: dict[str, set[str]] = {"Deployment": set(), "Job": set(), "ReplicaSet": set()}
    for target, live in children.items():
        if target.kind in ("Deployment", "Job") and live.owner == owner.uid and is_child_name(target, owner.key.name):
            roots[target.kind].add(live.uid)
    for target, live in children.items():
        if target.kind == "ReplicaSet" and live.owner in roots["Deployment"]:
            roots["ReplicaSet"].add(live.uid)
    of_pods = roots["ReplicaSet"] | roots["Job"]
    allowed = {"ReplicaSet": roots["Deployment"], "Pod": of_pods}
    return {
        target: live
        for target, live in children.items()
        if target.kind not in allowed or live.owner in allowed[target.kind]
    }


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a pass. From it, only the workers decide when the agent is reconciled again.

    Attributes:
        invalid: why the spec cannot be used.
        blocked: any other reason why the children do not match the spec.
        incomplete: whether a refused write must be retried, or the deletion has not finished.
        references: whether the agent refers to objects that are not watched.
        requeue_after: seconds after which the rollout needs another pass; None if it needs none.
        status_changed: whether the status was patched.
    """

    invalid: Problem | None = None
    blocked: Problem | None = None
    incomplete: bool = False
    references: bool = False
    requeue_after: float | None = None
    status_changed: bool = False
