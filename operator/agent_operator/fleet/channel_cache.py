"""Caches the AgentRuntimeChannels that an informer watches."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from agent_operator.kube.objects import Key, Live, Object, Ref, version
from agent_operator.kube.shapes import mapping
from agent_operator.kube.stubs import UNREADABLE
from agent_operator.kube.unreadable import UnreadableObjects

_KEPT_METADATA = ("name", "uid", "generation", "resourceVersion", "deletionTimestamp")


class ChannelCache:
    """Channels by name. The key of a channel has no namespace, because channels are cluster-scoped."""

    def __init__(self, unreadable: UnreadableObjects) -> None:
        self._unreadable = unreadable
        self._channels: dict[str, Object] = {}

    def __iter__(self) -> Iterator[Object]:
        """Iterate over all channels."""
        return iter(tuple(self._channels.values()))

    def get(self, name: str) -> Object | None:
        """Return a channel."""
        return self._channels.get(name)

    def observe(self, kind: str, event: str, obj: Object) -> Key | None:
        """Store the object of a watch event. Returns the key of the channel if the event changed the cache."""
        name, uid = obj["metadata"]["name"], obj["metadata"].get("uid", "")
        if self._is_unreadable(Ref(kind, "", name), event, obj):
            # The agents keep their versions.
            return None
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
        self._channels[name] = {
            "metadata": meta,
            "spec": mapping(obj.get("spec")),
            "status": mapping(obj.get("status")),
        }
        return Key("", name)

    def _is_unreadable(self, target: Ref, event: str, obj: Object) -> bool:
        if event == "DELETED":
            self._unreadable.forget(target)
            return False
        reason = obj.get(UNREADABLE, "")
        self._unreadable.record(target, Live(obj["metadata"].get("uid", ""), version(obj), b"", unreadable=reason))
        return bool(reason)

    def retain(self, kind: str, namespaces: Iterable[str], listed: AbstractSet[Ref]) -> set[Key]:
        """Remove the channels that a complete list does not contain, and return their keys."""
        self._unreadable.retain(kind, namespaces, listed)
        removed = {name for name in self._channels if Ref(kind, "", name) not in listed}
        for name in removed:
            del self._channels[name]
        return {Key("", name) for name in removed}
