"""The only place that writes the status of an AgentDeployment."""

from typing import Any

from agent_operator.api import constants
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Object, Ref, version
from agent_operator.reconcile.context import ReconcileContext
from agent_operator.status.builder import changes


class StatusWriter:
    """Patches the status, and expects the event of the patch."""

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
