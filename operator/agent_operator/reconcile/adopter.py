"""Decides which objects of others an agent adopts, before anything is written. See render/adoption.py."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem, ProblemError
from agent_operator.api.reasons import Reason
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Key, Live, Object, Ref, ref
from agent_operator.kube.resources import BY_NAME
from agent_operator.reconcile.children import DiffResult
from agent_operator.reconcile.context import ReconcileContext, StaleCacheError
from agent_operator.render import adoption, handover
from agent_operator.render.adoption import Adoption
from agent_operator.render.conflicts import conflict, conflicts
from agent_operator.render.former_owner import agent_owner, goes_away
from agent_operator.render.handover import Handover, Method
from agent_operator.render.plan import Apply, Owner, is_child_name
from agent_operator.rollout import deployments
from agent_operator.status.observed import Pods

# Kinds of which former objects of the agent remain besides those that its spec describes.
_HISTORY = ("ConfigMap", "ControllerRevision")
# The garbage collector removes the owner references of the ReplicaSets before it deletes their Deployment.
_LOOKS, _LOOK_SECONDS = 40, 0.25


@dataclass(frozen=True, slots=True)
class Adoptions:
    """What to write in a pass.

    Attributes:
        applies: the manifests to write now, in order.
        found: the objects of others to adopt, by reference.
        method: what becomes of the Deployment.
        waiting: what is adopted later, and when.
    """

    applies: tuple[Apply, ...]
    found: Mapping[Ref, Object] = field(default_factory=dict)
    method: Method = Method.CREATE
    waiting: Problem | None = None


class Adopter:
    """Reads the objects that an agent may adopt. `served` returns the version in which the cluster serves a kind."""

    def __init__(self, cluster: Cluster, served: Callable[[str], str | None]) -> None:
        self._cluster = cluster
        self._served = served

    async def prepare(self, context: ReconcileContext, live: Mapping[Ref, Live], diff: DiffResult) -> Adoptions:
        """Return what to write. Without the annotation, or if every child exists, that is the plan.

        Raises:
            ProblemError: an object must not be adopted, or its adoption would lose requests. Nothing is written then.
            StaleCacheError: the cache is behind the cluster.
            ApiError: an object cannot be read.
        """
        applies = diff.changes.applies
        creates = [ref(action.manifest["kind"], action.manifest) for action in applies if not action.uid]
        allowed = adoption.parse(context.agent)
        if not allowed or not creates or diff.rendered is None:
            return Adoptions(applies)
        owner = context.owner
        found = await self._find(creates, applies)
        if problem := _conflict(found, allowed, owner):
            raise ProblemError(problem)
        if allowed.labeled:
            await self._adopt_history(allowed, owner, found, diff)
        desired = {manifest["kind"]: manifest for manifest in diff.rendered.manifests}
        plan = await self._plan(context, live, found, desired)
        if plan.problems:
            raise ProblemError(*plan.problems)
        adoptions = Adoptions(await self._with_replicas(applies, found, owner), found, plan.method)
        return _deferred(adoptions, owner) if plan.deferred else adoptions

    async def _find(self, creates: Iterable[Ref], applies: Iterable[Apply]) -> dict[Ref, Object]:
        versions = {ref(it.manifest["kind"], it.manifest): it.manifest["apiVersion"] for it in applies}
        found = {target: await self._cluster.find(target, versions[target]) for target in creates}
        return {target: obj for target, obj in found.items() if obj is not None}

    async def conflict(self, target: Ref, found: Object, rest: Iterable[Apply], owner: Owner) -> Problem:
        """Describe all objects of others that keep an agent from creating children.

        Args:
            target: the first of them.
            found: its object.
            rest: what was not written because of it.
            owner: the agent.
        """
        if await self.goes_away(found, owner):
            return conflict(target, terminating=True)
        creates = [action for action in rest if not action.uid]
        others = await self._find([ref(it.manifest["kind"], it.manifest) for it in creates], creates)
        foreign = {it: obj for it, obj in others.items() if not owner.owns(it, obj, obj["metadata"]["uid"])}
        named = {target: found} | foreign
        return conflicts({it: adoption.controller_of(obj, owner) for it, obj in named.items()})

    async def goes_away(self, found: Object, owner: Owner) -> bool:
        """Return whether an object is being deleted, or belongs to a deleted agent, so that it is no conflict."""
        if goes_away(found, owner.uid, owner.key):
            return True
        reference = agent_owner(found)
        if reference is None or reference.get("uid") == owner.uid:
            return False
        agent = await self._cluster.find_agent(Key(found["metadata"].get("namespace", ""), reference["name"]))
        return agent is None or agent["metadata"]["uid"] != reference.get("uid")

    async def take_over(self, manifest: Mapping[str, Any], found: Object, owner: Owner, method: Method) -> str:
        """Make the agent the owner of an object, or delete it. Returns its UID; empty if it is to be created."""
        if manifest["kind"] == "Deployment" and method is Method.REPLACE:
            await self._orphan(ref("Deployment", manifest), found)
            return ""
        uid: str = found["metadata"]["uid"]
        if not adoption.is_tracked(manifest, found):
            # The first apply to an object without field managers makes one the owner of all fields. The agent does not
            # own the object yet, so that a restarted operator begins again.
            await self._cluster.take_over(manifest, adoption.reset(found))
            found = await self._cluster.update(_without_owner(manifest), uid)
        await self._cluster.take_over(manifest, adoption.patch(manifest, found, owner))
        return uid

    async def _orphan(self, target: Ref, found: Object) -> None:
        """Delete a Deployment, and wait until it is gone. Its ReplicaSets and pods stay."""
        version = self._served(target.kind) or "apps/v1"
        await self._cluster.delete(target, found["metadata"]["uid"], version, propagation="Orphan")
        for _ in range(_LOOKS):
            if await self._cluster.find(target, version) is None:
                return
            await asyncio.sleep(_LOOK_SECONDS)
        raise ProblemError(conflict(target, terminating=True))

    async def _plan(
        self,
        context: ReconcileContext,
        live: Mapping[Ref, Live],
        found: Mapping[Ref, Object],
        desired: Mapping[str, Mapping[str, Any]],
    ) -> Handover:
        owner = context.owner
        service = found.get(Ref("Service", owner.namespace, owner.key.name))
        deployment = found.get(Ref("Deployment", owner.namespace, owner.key.name))
        own, _ = deployments.stable_and_canary(live, owner)
        if own is not None:
            return Handover(Method.UPDATE, deferred=service is not None and not Pods.of(own).complete)
        if (service is None and deployment is None) or not {"Service", "Deployment"} <= desired.keys():
            return Handover()
        others = await self._cluster.list_in("Service", owner.namespace) if deployment is not None else ()
        is_tracked = deployment is None or adoption.is_tracked(desired["Deployment"], deployment)
        return handover.plan(desired, deployment, service, others, is_tracked=is_tracked)

    async def _with_replicas(
        self, applies: tuple[Apply, ...], found: Mapping[Ref, Object], owner: Owner
    ) -> tuple[Apply, ...]:
        """Give a new Deployment the number of the pods that it replaces, if an autoscaler will set it.

        Without the number, the Deployment would have one replica, and delete all other pods of the ReplicaSets that it
        adopts.
        """
        target = Ref("Deployment", owner.namespace, owner.key.name)
        index = next((at for at, it in enumerate(applies) if ref(it.manifest["kind"], it.manifest) == target), None)
        manifest = {} if index is None else applies[index].manifest
        if index is None or applies[index].uid or "replicas" in manifest["spec"]:
            return applies
        former = found.get(target)
        running = former["spec"].get("replicas", 1) if former else await self._orphaned_replicas(manifest)
        if not running:
            return applies
        changed = {**manifest, "spec": {**manifest["spec"], "replicas": running}}
        return (*applies[:index], Apply(changed), *applies[index + 1 :])

    async def _orphaned_replicas(self, manifest: Mapping[str, Any]) -> int:
        labels = manifest["spec"]["selector"]["matchLabels"]
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        replica_sets = await self._cluster.list_in("ReplicaSet", manifest["metadata"]["namespace"], selector)
        orphaned = [it for it in replica_sets if not it["metadata"].get("ownerReferences")]
        return sum(it["spec"].get("replicas", 0) for it in orphaned)

    async def _adopt_history(
        self, allowed: Adoption, owner: Owner, found: Mapping[Ref, Object], diff: DiffResult
    ) -> None:
        """Adopt former revisions and their ConfigMaps, so that a rollback works and old ones are deleted.

        Raises:
            StaleCacheError: objects were adopted. The next pass knows them.
        """
        selector = f"{constants.LABEL_AGENT}={owner.key.name}"
        template = next(it for it in (diff.rendered.manifests if diff.rendered else ()) if it["kind"] == "ConfigMap")
        adopted = False
        for kind in _HISTORY:
            for obj in await self._cluster.list_in(kind, owner.namespace, selector):
                target = ref(kind, obj)
                if not is_child_name(target, owner.key.name):
                    # Every user may label a ConfigMap. The operator would delete it, because no pod mounts it.
                    continue
                if target in found or owner.owns(target, obj, obj["metadata"]["uid"]):
                    continue
                if "deletionTimestamp" in obj["metadata"] or not allowed.allows(target, obj, owner):
                    continue
                await self._cluster.take_over(_identity(obj, kind, template), adoption.patch(template, obj, owner))
                adopted = True
        if adopted:
            raise StaleCacheError


def _identity(obj: Mapping[str, Any], kind: str, template: Mapping[str, Any]) -> Object:
    """Return a manifest with the name of an object, and the labels and owner of a child."""
    meta = {"name": obj["metadata"]["name"], "namespace": template["metadata"]["namespace"]}
    return {"apiVersion": BY_NAME[kind].versions[0], "kind": kind, "metadata": meta}


def _without_owner(manifest: Mapping[str, Any]) -> Object:
    meta = {key: value for key, value in manifest["metadata"].items() if key in ("name", "namespace")}
    return {**manifest, "metadata": meta}


def _conflict(found: Mapping[Ref, Object], allowed: Adoption, owner: Owner) -> Problem | None:
    """Return all conflicts as one problem; None if every object may be adopted.

    Raises:
        StaleCacheError: an object already belongs to the agent.
    """
    refused: dict[Ref, str] = {}
    for target, obj in found.items():
        if owner.owns(target, obj, obj["metadata"]["uid"]):
            raise StaleCacheError
        if "deletionTimestamp" in obj["metadata"]:
            return conflict(target, terminating=True)
        if not allowed.allows(target, obj, owner):
            refused[target] = adoption.controller_of(obj, owner)
    return conflicts(refused) if refused else None


def _deferred(adoptions: Adoptions, owner: Owner) -> Adoptions:
    """Leave the Service, and what refers to its ports, until the pods of the agent serve."""

    def is_entry(target: Ref) -> bool:
        return target.kind in handover.ENTRIES and target.name == owner.key.name

    kept: Sequence[Apply] = [it for it in adoptions.applies if not is_entry(ref(it.manifest["kind"], it.manifest))]
    service = Ref("Service", owner.namespace, owner.key.name)
    message = f"{service} is adopted as soon as all pods of the agent are available: it keeps its pods until then"
    waiting = Problem(Reason.ADOPTING, "", message, retry=True)
    found = {target: obj for target, obj in adoptions.found.items() if not is_entry(target)}
    return replace(adoptions, applies=tuple(kept), found=found, waiting=waiting)
