"""Finalizes a deleted AgentDeployment: deletes children that have no owner reference, then removes the finalizer."""

from collections.abc import Callable

from agent_operator.api import constants
from agent_operator.inputs.own_secrets import OwnSecrets
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Live, Ref, pack, ref
from agent_operator.kube.resources import SECRET
from agent_operator.reconcile.context import ReconcileContext
from agent_operator.render.plan import owned

# Kinds that are not deleted one by one: controllers delete Pods and ReplicaSets, and a Namespace may be shared.
_DELETED_BY_OTHERS = frozenset({"Pod", "ReplicaSet", "Namespace"})


class Finalizer:
    """Cleans up after an agent. `served` returns the version in which the cluster serves a kind."""

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        own_secrets: OwnSecrets,
        served: Callable[[str], str | None],
        *,
        manage_namespaces: bool,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._own_secrets = own_secrets
        self._served = served
        self._manage_namespaces = manage_namespaces

    async def finalize(self, context: ReconcileContext) -> bool:
        """Delete the agent's namespace, or its children in a shared namespace. Returns False while objects remain.

        Raises:
            ApiError: the API server refused, or cannot be reached.
        """
        agent = context.agent
        if constants.FINALIZER not in (agent["metadata"].get("finalizers") or ()):
            return True
        name = (agent["spec"].get("namespace") or {}).get("name", "")
        # Read the namespace from the API server, because a namespace that the cache lacks would never be deleted.
        namespace = await self._cluster.find_namespace(name) if self._manage_namespaces and name else None
        if namespace is not None and owned(namespace, context.uid):
            if "deletionTimestamp" not in namespace["metadata"]:
                await self._cluster.delete(Ref("Namespace", "", name), namespace["metadata"]["uid"], "v1")
            return False
        left = await self._left(context)
        for target, live in left:
            await self._cluster.delete(target, live.uid, self._served(target.kind) or "")
        if not left:
            await self._cluster.set_finalizer(context.key, context.uid, present=False)
        return not left

    async def _left(self, context: ReconcileContext) -> list[tuple[Ref, Live]]:
        # Include the children in all namespaces, because spec.namespace may have changed.
        children = self._store.children(context.key).items()
        left = [(target, live) for target, live in children if target.kind not in _DELETED_BY_OTHERS]
        secret = await self._own_secrets.find(context.key, context.agent)
        if secret is not None:
            left.append((ref(SECRET.kind, secret), pack(SECRET.kind, secret)))
        return [(target, live) for target, live in left if owned(live.object, context.uid)]
