"""Carries out a plan, and takes an agent's namespace away with it. Every write becomes an expectation."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from agent_operator.api import constants
from agent_operator.inputs.own_secrets import OwnSecrets
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Key, Live, Object, Ref, pack, ref, version
from agent_operator.kube.resources import BY_NAME, SECRET
from agent_operator.kube.transport import ApiError
from agent_operator.render.plan import Apply, Plan, conflict, owned
from agent_operator.status.problems import Blocked, Stale, refused

_INVALID = 422
# A new agent that a watch told of so recently need not be asked for again. It is the time that hundreds of new agents
# wait for their turn; should one be gone meanwhile, the garbage collector takes what got it as its owner.
_FRESH = 60.0
_WITH_PORTS = frozenset({"Service", "Deployment"})


class Applier:
    """Writes children. `served` tells the version in which a kind is served."""

    def __init__(
        self, store: Store, cluster: Cluster, own_secrets: OwnSecrets, served: Callable[[str], str | None]
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._own_secrets = own_secrets
        self._served = served

    async def carry_out(self, key: Key, agent: Object, todo: Plan, live: dict[Ref, Live]) -> None:
        """Write what is planned, in order, and bring `live` up to date with the answers.

        Raises:
            Blocked: an object cannot be written; what comes after it is not tried.
            Stale: the cluster is no longer as it was when the plan was made.
            ApiError: the API server is in trouble.
        """
        if not todo.is_empty:
            await self.make_sure_of(key, agent)
        for action in todo.applies:
            target = ref(action.manifest["kind"], action.manifest)
            try:
                written = await self._write(action, target, agent["metadata"]["uid"])
            except ApiError as error:
                raise _explained(target, error) from error
            live[target] = pack(target.kind, written)
            if BY_NAME[target.kind].watched:
                self._store.expect_write(key, target, live[target].version)
            else:
                self._own_secrets.record_write(target, live[target])
        for deletion in todo.deletes:
            served = self._served(deletion.ref.kind)
            if served is None:
                continue
            await self._cluster.delete(deletion.ref, deletion.uid, served)
            live.pop(deletion.ref, None)
            self._store.expect_delete(key, deletion.ref)
            self._own_secrets.record_delete(deletion.ref)

    async def finish(self, key: Key, agent: Object, *, manage_namespaces: bool) -> bool:
        """Take our namespace away, or what we put into another's, then our finalizer; False while some is left."""
        if constants.FINALIZER not in (agent["metadata"].get("finalizers") or ()):
            return True
        uid, name = agent["metadata"]["uid"], (agent["spec"].get("namespace") or {}).get("name", "")
        # Not from the cache: it would be too bad to leave a namespace behind.
        there = await self._cluster.find_namespace(name) if manage_namespaces and name else None
        if there is not None and owned(there, uid):
            if "deletionTimestamp" not in there["metadata"]:
                await self._cluster.delete(Ref("Namespace", "", name), there["metadata"]["uid"], "v1")
            return False
        left = [(target, live) for target, live in self._store.children(key).items() if _ours(target, live, uid)]
        secret = await self._own_secrets.find(key, agent)
        if secret is not None and owned(secret, uid):
            left.append((ref(SECRET.kind, secret), pack(SECRET.kind, secret)))
        for target, live in left:
            await self._cluster.delete(target, live.uid, self._served(target.kind) or "")
        if not left:
            await self._cluster.set_finalizer(key, uid, present=False)
        return not left

    async def make_sure_of(self, key: Key, agent: Object) -> None:
        """Write nothing for an agent that is gone or was edited: a watch may have missed that, or be far behind."""
        fresh = self._store.seconds_since_event(key) < _FRESH and not agent.get("status")
        if fresh and not agent["spec"].get("namespace"):
            return
        there = await self._cluster.find_agent(key)
        if there is None or there["metadata"]["uid"] != agent["metadata"]["uid"]:
            self._store.forget(key, agent["metadata"]["uid"])
            raise Stale
        if (
            "deletionTimestamp" in there["metadata"]
            or there["metadata"]["generation"] != agent["metadata"]["generation"]
            # What was decided on an old view of it may bring back what was given up.
            or (there.get("status") or {}).get("rollout") != (agent.get("status") or {}).get("rollout")
        ):
            raise Stale
        if agent["spec"].get("namespace") and constants.FINALIZER not in (there["metadata"].get("finalizers") or ()):
            marked = await self._cluster.set_finalizer(key, there["metadata"]["uid"], present=True)
            self._store.expect_write(key, Ref(constants.KIND, *key), version(marked))

    async def _write(self, action: Apply, target: Ref, owner: str) -> Mapping[str, Any]:
        if action.uid:
            if action.replicas is not None:
                await self._cluster.hand_over_replicas(action.manifest, action.uid, action.replicas)
            return await self._update(action.manifest, action.uid)
        try:
            return await self._cluster.create(action.manifest)
        except ApiError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise
        there = await self._cluster.find(target, action.manifest["apiVersion"])
        if there is None or owned(there, owner):
            # An answer of ours was lost, or the watch is behind: the next pass sees it.
            raise Stale
        raise Blocked(conflict(target, terminating=_passing(there, owner)))

    async def _update(self, manifest: Mapping[str, Any], uid: str) -> Object:
        try:
            return await self._cluster.update(manifest, uid)
        except ApiError as error:
            if error.code != _INVALID or "ports" not in error.message or manifest["kind"] not in _WITH_PORTS:
                raise
        await self._cluster.replace_ports(manifest, uid)
        return await self._cluster.update(manifest, uid)


def _ours(target: Ref, live: Live, uid: str) -> bool:
    """Tell whether this is an object that we made, and that nobody else takes away."""
    return target.kind not in ("Pod", "ReplicaSet", "Namespace") and owned(live.object, uid)


def _passing(there: Mapping[str, Any], owner: str) -> bool:
    """Tell whether an object will go by itself: it is being deleted, or was a former agent's of the same name."""
    if "deletionTimestamp" in there["metadata"]:
        return True
    owners = there["metadata"].get("ownerReferences") or ()
    return any(o["kind"] == constants.KIND and o.get("controller") and o["uid"] != owner for o in owners)


def _explained(target: Ref, error: ApiError) -> Exception:
    if error.code == HTTPStatus.CONFLICT or (error.code == _INVALID and "metadata.uid" in error.message):
        return Stale()
    problem = refused(target, error)
    return Blocked(problem)
