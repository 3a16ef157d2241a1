"""Caches the AgentRuntimeChannels that an informer watches."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from agent_operator.kube.objects import Key, Object, Ref, version

_KEPT_METADATA = ("name", "uid", "generation", "resourceVersion", "deletionTimestamp")


class ChannelCache:
    """Channels by name. The key of a channel has no namespace, because channels are cluster-scoped."""

    def __init__(self) -> None:
        self._channels: dict[str, Object] = {}

    def __iter__(self) -> Iterator[Object]:
        """Iterate over all channels."""
        return iter(tuple(self._channels.values()))

    def get(self, name: str) -> Object | None:
        """Return a channel."""
        return self._channels.get(name)

    def observe(self, kind: str, event: str, obj: Object) -> Key | None:
        """Store the object of a watch event. Returns the key of the channel if the event changed the cache."""
        del kind
        name, uid = obj["metadata"]["name"], obj["metadata"]["uid"]
        cached = self._channels.get(name)
        is_same = cached is not None and cached["metadata"]["uid"] == uid
        if event == "DELETED":
            # A late event of a deleted channel must not remove its successor of the same name.
            if not is_same:
                return None
            del self._channels[name]
            return Key("", name)
        if cached is not None and is_same and version(obj) <= version(cached):
            return None
        meta = {key: obj["metadata"][key] for key in _KEPT_METADATA if key in obj["metadata"]}
        self._channels[name] = {"metadata": meta, "spec": obj.get("spec") or {}, "status": obj.get("status") or {}}
        return Key("", name)

    def retain(self, kind: str, namespaces: Iterable[str], listed: AbstractSet[Ref]) -> set[Key]:
        """Remove the channels that a complete list does not contain, and return their keys."""
        del namespaces
        removed = {name for name in self._channels if Ref(kind, "", name) not in listed}
        for name in removed:
            del self._channels[name]
        return {Key("", name) for name in removed}
