"""Reads the children of which the cache has only the metadata."""

from collections.abc import Callable, Iterable, Mapping

from agent_operator.kube.agent_object import pack_agent
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import METADATA_ONLY, Key, Live, Ref, pack
from agent_operator.reconcile.context import StaleCacheError


class BodyReader:
    """Reads bodies by name. The cache keeps small ones, so that a body is read once per change of others."""

    def __init__(self, cluster: Cluster, store: Store, served: Callable[[str], str | None]) -> None:
        self._cluster = cluster
        self._store = store
        self._served = served

    async def read_agent(self, key: Key, cached: Live) -> Live:
        """Return the whole AgentDeployment. Raises as `read`."""
        obj = await self._cluster.find_agent(key)
        found = pack_agent(obj) if obj is not None else None
        if found is None or found.uid != cached.uid:
            raise StaleCacheError
        return found

    async def read(self, key: Key, live: Mapping[Ref, Live], targets: Iterable[Ref]) -> Mapping[Ref, Live]:
        """Return the children, with the bodies of the targets.

        Raises:
            ApiError: a child cannot be read.
            StaleCacheError: a child was deleted or replaced.
        """
        missing = [target for target in targets if target in live and live[target].is_partial]
        if not missing:
            return live
        complete = dict(live)
        for target in missing:
            obj = await self._cluster.find(target, self._served(target.kind) or "")
            found = pack(target.kind, obj) if obj is not None else None
            if found is None or found.uid != live[target].uid:
                raise StaleCacheError
            self._store.record_body(key, target, found)
            complete[target] = found
        return complete


def large(live: Mapping[Ref, Live]) -> Iterable[Ref]:
    """Return the children that are too large for the cache. Of ConfigMaps, only those in use are read, later."""
    return [target for target, found in live.items() if found.is_partial and target.kind not in METADATA_ONLY]
