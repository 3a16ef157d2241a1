"""Finalizes a deleted AgentDeployment: deletes children that have no owner reference, then removes the finalizer."""

from collections.abc import Callable

from agent_operator.api import constants
from agent_operator.inputs.own_secrets import OwnSecrets
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Live, Ref, pack, ref
from agent_operator.kube.resources import SECRET
from agent_operator.reconcile.context import ReconcileContext

# Kinds that are not deleted one by one: controllers delete Pods and ReplicaSets, and a Namespace may be shared.
_DELETED_BY_OTHERS = frozenset({"Pod", "ReplicaSet", "Namespace"})


class Finalizer:
    """Cleans up after an agent. `served` returns the version in which the cluster serves a kind."""

    def __init__(
        self,
        cluster: Cluster,
        own_secrets: OwnSecrets,
        served: Callable[[str], str | None],
        *,
        manage_namespaces: bool,
    ) -> None:
        self._cluster = cluster
        self._own_secrets = own_secrets
        self._served = served
        self._manage_namespaces = manage_namespaces

    async def finalize(self, context: ReconcileContext) -> bool:
        """Delete the agent's namespace, or its children in a shared namespace. Returns False while objects remain.

        An object that is being deleted does not remain: others may delay its end, but not that of the agent.

        Raises:
            ApiError: the API server refused, or cannot be reached.
        """
        agent = context.agent
        finalizers = agent["metadata"].get("finalizers") or ()
        if constants.FINALIZER not in finalizers:
            return True
        if self._manage_namespaces and agent["spec"].get("namespace"):
            left = await self._namespace(context)
        else:
            left = await self._children(context)
        for target, live in left:
            await self._cluster.delete(target, live.uid, self._served(target.kind) or "v1")
        if not left:
            await self._cluster.remove_finalizer(context.key, context.uid, finalizers)
        return not left

    async def _namespace(self, context: ReconcileContext) -> list[tuple[Ref, Live]]:
        """Return the Namespace that the operator created. Everything in it is deleted with it.

        It is read from the API server, because a namespace that the cache lacks would never be deleted.
        """
        target = Ref("Namespace", "", context.owner.namespace)
        namespace = await self._cluster.find_namespace(target.name)
        return [] if namespace is None else self._own(context, [(target, pack(target.kind, namespace))])

    async def _children(self, context: ReconcileContext) -> list[tuple[Ref, Live]]:
        children = [
            (target, live) for target, live in context.children.items() if target.kind not in _DELETED_BY_OTHERS
        ]
        secret = await self._own_secrets.find(context.key, context.agent)
        if secret is not None:
            children.append((ref(SECRET.kind, secret), pack(SECRET.kind, secret)))
        return self._own(context, children)

    def _own(self, context: ReconcileContext, found: list[tuple[Ref, Live]]) -> list[tuple[Ref, Live]]:
        """Return the objects that belong to the agent and are not yet being deleted."""
        unpacked = [(target, live, live.object) for target, live in found]
        return [
            (target, live)
            for target, live, obj in unpacked
            if context.owner.owns(target, obj, live.uid) and "deletionTimestamp" not in obj["metadata"]
        ]
