"""The objects that agents own, with bounds on their memory.

Tenants can write the labels and owner references of any object. So an object counts as a child only if its owner is the
agent that its labels name, or an object that this agent owns. Objects of other owners are not cached.
"""

from collections.abc import Iterator

from agent_operator.kube.objects import Key, Live, Ref
from agent_operator.kube.resources import DEPLOYMENT, GRANDCHILDREN, JOB

_GRANDCHILDREN = frozenset(kind.kind for kind in GRANDCHILDREN)
_PARENTS = frozenset({DEPLOYMENT.kind, JOB.kind, "ReplicaSet"})
# Bytes of all bodies, and of those whose agent is unknown. During the start, the agents are listed after the children.
_MOST_BYTES = 160 << 20
_MOST_UNKNOWN_BYTES = 48 << 20


class ChildCache:
    """Children by agent.

    Attributes:
        by_agent: the children of each agent. Only this class changes it.
    """

    def __init__(self) -> None:
        self.by_agent: dict[Key, dict[Ref, Live]] = {}
        self._keys: dict[Ref, Key] = {}
        # Agents of the objects that own pods and ReplicaSets, by UID.
        self._parents: dict[str, Key] = {}
        # Pods and ReplicaSets whose owner is not cached, by the UID of the owner. Their watch may be ahead.
        self._waiting: dict[str, dict[Ref, tuple[Key, Live]]] = {}
        self._owners: dict[Ref, str] = {}
        self._bytes = 0

    def __iter__(self) -> Iterator[Ref]:
        """Iterate over the references of all objects."""
        yield from tuple(self._keys)
        yield from tuple(self._owners)

    def key(self, target: Ref) -> Key | None:
        """Return the agent of a cached object; None if the object is not cached."""
        return self._keys.get(target)

    def has_room(self, live: Live, *, is_known: bool) -> bool:
        """Return whether a body may be cached. `is_known`: whether the agent is cached."""
        return self._bytes + len(live.body) <= (_MOST_BYTES if is_known else _MOST_UNKNOWN_BYTES)

    def put(self, key: Key, target: Ref, live: Live) -> bool:
        """Store an object. Returns False for a pod or ReplicaSet whose owner is not a child of the agent."""
        if target.kind in _GRANDCHILDREN and self._parents.get(live.owner) != key:
            self.remove(target)
            self._waiting.setdefault(live.owner, {})[target] = (key, live)
            self._owners[target] = live.owner
            self._bytes += len(live.body)
            return False
        self._stop_waiting(target)
        objects = self.by_agent.setdefault(key, {})
        before = objects.get(target)
        self._bytes += len(live.body) - (len(before.body) if before else 0)
        objects[target] = live
        self._keys[target] = key
        if target.kind in _PARENTS:
            self._adopt(key, live.uid)
        return True

    def _adopt(self, key: Key, uid: str) -> None:
        self._parents[uid] = key
        for target, (agent, live) in tuple(self._waiting.get(uid, {}).items()):
            if agent == key:
                self.put(key, target, live)

    def remove(self, target: Ref) -> Live | None:
        """Remove an object. Returns the removed child."""
        self._stop_waiting(target)
        key = self._keys.pop(target, None)
        if key is None:
            return None
        live = self.by_agent[key].pop(target)
        if not self.by_agent[key]:
            del self.by_agent[key]
        self._bytes -= len(live.body)
        if self._parents.get(live.uid) == key:
            del self._parents[live.uid]
        return live

    def _stop_waiting(self, target: Ref) -> None:
        owner = self._owners.pop(target, None)
        if owner is None:
            return
        _, live = self._waiting[owner].pop(target)
        self._bytes -= len(live.body)
        if not self._waiting[owner]:
            del self._waiting[owner]

    def keep_owned(self, key: Key, uid: str) -> None:
        """Remove what the agent with this UID does not own."""
        for target, live in tuple(self.by_agent.get(key, {}).items()):
            if target.kind not in _GRANDCHILDREN and live.owner != uid:
                self.remove(target)
        for kind in ("ReplicaSet", "Pod"):
            for target, live in tuple(self.by_agent.get(key, {}).items()):
                if target.kind == kind and self._parents.get(live.owner) != key:
                    self.remove(target)


def may_be_child(kind: str, live: Live, agent: Live | None) -> bool:
    """Return whether the agent that the labels of an object name may own it. `agent`: None if it is not cached."""
    if kind in _GRANDCHILDREN or agent is None:
        return bool(live.owner)
    return live.owner == agent.uid
