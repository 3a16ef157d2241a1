"""The Secrets that the operator creates from credentials.values. It gets them by name, like the Secrets of users.

A watch would require the permission to list all Secrets of the cluster, because RBAC does not support label selectors.
So the operator detects a change by another writer after some seconds, not immediately.
"""

from collections.abc import Callable

from agent_operator.api import constants
from agent_operator.inputs.reference_cache import ByteCache
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Key, Live, Object, Ref, agent_key, pack
from agent_operator.kube.resources import SECRET


class OwnSecrets:
    """Cache of the last read or written Secrets, valid for `lifetime` seconds and limited in bytes."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float], lifetime: float) -> None:
        self._cluster = cluster
        self._cache: ByteCache[Ref, Live] = ByteCache(clock, lifetime)

    async def get(self, key: Key, agent: Object) -> dict[Ref, Live] | None:
        """Return the Secret of an agent by reference; empty if it does not exist.

        Args:
            key: key of the agent.
            agent: the live AgentDeployment, valid or not.

        Returns:
            None if the agent needs no Secret and no Secret of an older spec exists.

        Raises:
            ApiError: the Secret cannot be read.
        """
        target = _target(key, agent)
        if not (_is_desired(agent) or _is_listed(agent, target)):
            return None
        live = self._cache.get(target)
        # The Secret of a deleted agent of the same name disappears soon, so it is not cached.
        uid = agent["metadata"]["uid"]
        if live is None or live.owner != uid:
            found = await self._cluster.find(target, SECRET.versions[0])
            if found is None or agent_key(found) != key:
                self._cache.remove(target)
                return {}
            live = pack(target.kind, found)
            if live.owner == uid:
                self.record_write(target, live)
        return {target: live}

    def record_write(self, target: Ref, live: Live) -> None:
        """Cache the object that the API server returned for a read or a write."""
        self._cache.add(target, live, len(live.body))

    def record_delete(self, target: Ref) -> None:
        """Remove a deleted Secret from the cache."""
        self._cache.remove(target)

    async def find(self, key: Key, agent: Object) -> Object | None:
        """Read the Secret of an agent without the cache; None if it does not exist."""
        return await self._cluster.find(_target(key, agent), SECRET.versions[0])


def _target(key: Key, agent: Object) -> Ref:
    namespace = (agent["spec"].get("namespace") or {}).get("name") or key.namespace
    return Ref(SECRET.kind, namespace, constants.secret(key.name))


def _is_desired(agent: Object) -> bool:
    return bool((agent["spec"].get("credentials") or {}).get("values"))


def _is_listed(agent: Object, target: Ref) -> bool:
    """Report whether status.children contains the Secret, which may remain from an older spec."""
    children = (agent.get("status") or {}).get("children") or ()
    return any((child["kind"], child["name"]) == (target.kind, target.name) for child in children)
