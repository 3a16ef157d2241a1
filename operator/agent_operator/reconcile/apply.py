"""The stage of a pass that writes the rollout decision and then the children that differ.

Each write is recorded as an expectation, so that no pass starts before the cache contains the written objects.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from agent_operator.api import constants
from agent_operator.api.problems import Problem, ProblemError
from agent_operator.inputs.own_secrets import OwnSecrets
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Live, Object, Ref, pack, ref, version
from agent_operator.kube.resources import BY_NAME
from agent_operator.kube.transport import ApiError
from agent_operator.reconcile.adopter import Adopter, Adoptions
from agent_operator.reconcile.children import DiffResult
from agent_operator.reconcile.context import ReconcileContext, StaleCacheError
from agent_operator.render.conflicts import conflict
from agent_operator.render.plan import REQUESTED, Apply, Owner, Plan
from agent_operator.rollout.state_machine import must_persist_first
from agent_operator.status.builder import changes
from agent_operator.status.problems import from_api, refused
from agent_operator.status.rejections import RejectedChild

# An agent without a status whose last event is more recent than this is not read again before the first write. The time
# covers the wait in the queue behind hundreds of new agents. If the agent has been deleted in the meantime, the garbage
# collector deletes the children.
_FRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The result of the writes.

    Attributes:
        context: the context of the pass, with the status that the API server has now.
        live: the children after the writes.
        blocked: why a child could not be written; None if all children were written.
        adopted: objects of others that the agent has adopted.
    """

    context: ReconcileContext
    live: Mapping[Ref, Live]
    blocked: Problem | None = None
    adopted: tuple[Ref, ...] = ()


class StatusWriter:
    """The only component that writes the status of an AgentDeployment. It expects the event of its patch."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store

    async def write(self, context: ReconcileContext, after: Object) -> Object | None:
        """Return the status that the API server stored; None when there was nothing to change.

        Raises:
            ApiError: the API server refused the patch, or cannot be reached.
        """
        patch = changes(context.status, after)
        if not patch:
            return None
        written = await self._cluster.patch_status(context.key, context.uid, patch)
        self._store.expect_write(context.key, Ref(constants.KIND, *context.key), version(written))
        status: dict[str, Any] = written.get("status") or {}
        return status


class Applier:
    """Writes children. `served` returns the version in which the cluster serves a kind."""

    def __init__(  # noqa: PLR0913  (what it writes with, and what it may write)
        self,
        store: Store,
        cluster: Cluster,
        own_secrets: OwnSecrets,
        status_writer: StatusWriter,
        served: Callable[[str], str | None],
        *,
        manage_namespaces: bool,
        allow_adoption: bool = True,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._own_secrets = own_secrets
        self._status_writer = status_writer
        self._served = served
        self._manage_namespaces = manage_namespaces
        self._allow_adoption = allow_adoption
        self._adopter = Adopter(cluster, served)

    async def apply(self, context: ReconcileContext, live: Mapping[Ref, Live], diff: DiffResult) -> ApplyResult:
        """Write what a restarted operator needs to know, and then the children in order.

        Raises:
            StaleCacheError: the cluster has changed since the changes were planned.
        """
        after = dict(live)
        try:
            adoptions = Adoptions(diff.changes.applies)
            if context.may_adopt and self._allow_adoption:
                adoptions = await self._adopter.prepare(context, live, diff)
            context = await self._record(context, diff, adoptions)
            await self._write_all(context, adoptions, diff.changes, after)
        except ProblemError as error:
            return ApplyResult(context, after, error.problem)
        except ApiError as error:
            return ApplyResult(context, after, from_api(error))
        return ApplyResult(context, after, diff.changes.conflict or adoptions.waiting, tuple(adoptions.found))

    async def _record(self, context: ReconcileContext, diff: DiffResult, adoptions: Adoptions) -> ReconcileContext:
        """Write the decisions before the children, because a restarted operator could decide differently.

        It could also not tell a Namespace that it created from one with forged labels.
        """
        decisions = dict(_decisions(context.owner, diff))
        if not decisions:
            return context
        await self._ensure_current(context)
        if "namespaceUid" in decisions and Ref("Namespace", "", context.owner.namespace) not in adoptions.found:
            await self._ensure_absent(context.owner)
        written = await self._status_writer.write(context, {**context.status, **decisions})
        # An older CustomResourceDefinition drops fields, so use the status that the server stored.
        status = context.status if written is None else written
        kept = {key: value for key, value in decisions.items() if key == "namespaceUid"}
        return replace(context, agent=context.agent | {"status": {**status, **kept}})

    async def _ensure_absent(self, owner: Owner) -> None:
        """Check that the Namespace does not exist, because the cache has only namespaces with the labels of an agent.

        Otherwise a user who may edit an existing Namespace could label it while its creation is requested.

        Raises:
            ProblemError: it exists and belongs to somebody else.
            StaleCacheError: it is that of the agent.
        """
        target = Ref("Namespace", "", owner.namespace)
        found = await self._cluster.find_namespace(target.name)
        if found is None:
            return
        if owner.owns(target, found, found["metadata"]["uid"]):
            raise StaleCacheError
        raise ProblemError(conflict(target, terminating=await self._adopter.goes_away(found, owner)))

    async def _write_all(
        self, context: ReconcileContext, adoptions: Adoptions, changes: Plan, live: dict[Ref, Live]
    ) -> None:
        """Write the children in order, and update `live` from the responses. Stop at the first failure."""
        if adoptions.applies or changes.deletes:
            await self._ensure_current(context)
        for action in adoptions.applies:
            target = ref(action.manifest["kind"], action.manifest)
            try:
                written = await self._write(action, target, context.owner, adoptions)
            except ApiError as error:
                spec = context.agent["spec"]
                child = RejectedChild(target, action.manifest, spec)
                managed = self._manage_namespaces and "namespace" in spec
                raise _explained(child, error, namespace_managed=managed) from error
            live[target] = pack(target.kind, written)
            if BY_NAME[target.kind].watched:
                self._store.record_body(context.key, target, live[target])
                self._store.expect_write(context.key, target, live[target].version)
            else:
                self._own_secrets.record_write(target, live[target])
        await self._delete(context, changes, live)

    async def _write(self, action: Apply, target: Ref, owner: Owner, adoptions: Adoptions) -> Mapping[str, Any]:
        found = adoptions.found.get(target)
        if found is not None:
            uid = await self._adopter.take_over(action.manifest, found, owner, adoptions.method)
            action = replace(action, uid=uid)
        if action.uid:
            if action.replicas is not None:
                await self._cluster.hand_over_replicas(action.manifest, action.uid, action.replicas)
            return await self._cluster.update(action.manifest, action.uid)
        try:
            return await self._cluster.create(action.manifest)
        except ApiError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise
        foreign = await self._cluster.find(target, action.manifest["apiVersion"])
        if foreign is None or owner.owns(target, foreign, foreign["metadata"]["uid"]):
            # The response to an earlier create was lost, or the watch lags behind. The next pass sees the object.
            raise StaleCacheError
        self._store.record_conflict(owner.key, target)
        rest = adoptions.applies[adoptions.applies.index(action) + 1 :]
        raise ProblemError(await self._adopter.conflict(target, foreign, rest, owner))

    async def _delete(self, context: ReconcileContext, changes: Plan, live: dict[Ref, Live]) -> None:
        for deletion in changes.deletes:
            served = self._served(deletion.ref.kind)
            if served is None:
                continue
            await self._cluster.delete(deletion.ref, deletion.uid, served)
            live.pop(deletion.ref, None)
            self._store.expect_delete(context.key, deletion.ref)
            self._own_secrets.record_delete(deletion.ref)

    async def _ensure_current(self, context: ReconcileContext) -> None:
        """Check that the agent still exists unchanged, because the watch may lag behind. Add a missing finalizer.

        Raises:
            StaleCacheError: the agent was deleted or edited.
        """
        key, agent = context.key, context.agent
        is_fresh = self._store.seconds_since_event(key) < _FRESH_SECONDS and not agent.get("status")
        if is_fresh and not agent["spec"].get("namespace"):
            return
        found = await self._cluster.find_agent(key)
        if found is None or found["metadata"]["uid"] != context.uid:
            self._store.forget(key, context.uid)
            raise StaleCacheError
        if (
            "deletionTimestamp" in found["metadata"]
            or found["metadata"]["generation"] != agent["metadata"]["generation"]
            # A decision made on an old status may bring back a revision that was rolled back.
            or (found.get("status") or {}).get("rollout") != context.status.get("rollout")
        ):
            raise StaleCacheError
        if agent["spec"].get("namespace") and constants.FINALIZER not in (found["metadata"].get("finalizers") or ()):
            patched = await self._cluster.add_finalizer(key, context.uid)
            self._store.expect_write(key, Ref(constants.KIND, *key), version(patched))


def _decisions(owner: Owner, diff: DiffResult) -> Iterator[tuple[str, Any]]:
    """Yield the fields of the status to write before the children."""
    rollout = diff.rollout
    if rollout is not None and must_persist_first(rollout.before, rollout.after):
        yield "rollout", rollout.after.model_dump(mode="json", by_alias=True, exclude_none=True)
    creates = (action.manifest["kind"] for action in diff.changes.applies if not action.uid)
    if "Namespace" in creates and owner.namespace_uid != REQUESTED:
        yield "namespaceUid", REQUESTED


def _explained(child: RejectedChild, error: ApiError, *, namespace_managed: bool) -> Exception:
    is_other_uid = error.code == HTTPStatus.UNPROCESSABLE_ENTITY and "metadata.uid" in error.message
    if error.code == HTTPStatus.CONFLICT or is_other_uid:
        return StaleCacheError()
    return ProblemError(refused(child, error, namespace_managed=namespace_managed))
