"""The AgentRuntimeChannels, as the watch has shown them."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from agent_operator.kube.objects import Key, Object, Ref, version


class ChannelCache:
    """Channels by name. Takes in what an Informer watches; a channel's key has no namespace."""

    def __init__(self) -> None:
        self._known: dict[str, Object] = {}

    def __iter__(self) -> Iterator[Object]:
        """Every channel there is."""
        return iter(tuple(self._known.values()))

    def get(self, name: str) -> Object | None:
        """Return a channel."""
        return self._known.get(name)

    def observe(self, kind: str, event: str, obj: Object) -> Key | None:
        """Take in an event; returns the channel if it is news."""
        del kind
        name = obj["metadata"]["name"]
        known = self._known.get(name)
        if event == "DELETED":
            # A former one of the same name is none of ours.
            if known is None or obj["metadata"]["uid"] != known["metadata"]["uid"]:
                return None
            del self._known[name]
            return Key("", name)
        if known is not None and known["metadata"]["uid"] == obj["metadata"]["uid"] and version(obj) <= version(known):
            return None
        kept = ("name", "uid", "generation", "resourceVersion", "deletionTimestamp")
        meta = {key: obj["metadata"][key] for key in kept if key in obj["metadata"]}
        self._known[name] = {"metadata": meta, "spec": obj.get("spec") or {}, "status": obj.get("status") or {}}
        return Key("", name)

    def retain(self, kind: str, namespaces: Iterable[str], listed: AbstractSet[Ref]) -> set[Key]:
        """Take in that a list is complete: what is not in it is gone."""
        del namespaces
        gone = {name for name in self._known if Ref(kind, "", name) not in listed}
        for name in gone:
            del self._known[name]
        return {Key("", name) for name in gone}
