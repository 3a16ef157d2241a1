"""The cache of AgentDeployments and their children, and which agents an event concerns."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet

from agent_operator.api import constants
from agent_operator.kube import shapes
from agent_operator.kube.agent_object import pack_agent
from agent_operator.kube.child_cache import ChildCache, may_be_child
from agent_operator.kube.expectations import DELETED, EXPECTATION_TIMEOUT, Expectations
from agent_operator.kube.objects import (
    LARGEST_BODY,
    LISTED,
    METADATA_ONLY,
    Key,
    Live,
    Object,
    Ref,
    agent_key,
    pack,
    ref,
    version,
)
from agent_operator.kube.routes import RouteIndex
from agent_operator.kube.unreadable import UnreadableObjects

# Bytes of the bodies of all agents. An agent usually takes 3 KiB. Of further agents, only summaries are cached.
MOST_AGENT_BYTES = 96 << 20


class Store:
    """The agents and their children as the watches last showed them.

    Methods that record an event return the key of the agent to reconcile because of it.

    Attributes:
        unreadable: the objects of the watched kinds that cannot be read.
        routes: the hosts and paths of all agents.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.unreadable = UnreadableObjects()
        self.routes = RouteIndex()
        self._clock = clock
        self._agents: dict[Key, Live] = {}
        self._agent_bytes = 0
        self._last_event: dict[Key, float] = {}
        self._conditions: dict[Key, tuple[str, ...]] = {}
        self._children = ChildCache()
        self._expectations = Expectations(clock)
        # Objects of which only metadata is watched, as the operator last wrote or read them, until their event.
        self._bodies: dict[Ref, Live] = {}
        # Objects of others that keep an agent from creating a child.
        self._conflicts: dict[Ref, Key] = {}

    # Reading

    @property
    def agents(self) -> Iterable[Key]:
        """The keys of all agents."""
        return tuple(self._agents)

    def condition_counts(self) -> Mapping[str, float]:
        """Count the agents for which each condition is true."""
        return Counter(kind for kinds in self._conditions.values() for kind in kinds)

    def agent(self, key: Key) -> Live | None:
        """Return the AgentDeployment; None if it is not cached."""
        return self._agents.get(key)

    def seconds_since_event(self, key: Key) -> float:
        """Return seconds since the last watch event of the AgentDeployment; infinite before the first."""
        return self._clock() - self._last_event.get(key, float("-inf"))

    def children(self, key: Key) -> dict[Ref, Live]:
        """Return a copy of the objects that the agent owns."""
        return dict(self._children.by_agent.get(key, {}))

    def _child(self, key: Key, target: Ref) -> Live | None:
        return self._children.by_agent.get(key, {}).get(target)

    # Events

    def observe_agent(self, event: str, obj: Object) -> Key | None:
        """Record an event of an AgentDeployment."""
        target, live = ref(constants.KIND, obj), pack_agent(obj, largest=LARGEST_BODY)
        key = Key(target.namespace, target.name)
        if event == "DELETED":
            if key in self._agents and self._agents[key].uid != live.uid:
                return None  # a former object of the same name
            self._drop(key)
            self._expectations.forget(key)
            return None
        before = self._agents.get(key)
        if before is not None and before.uid == live.uid and live.version < before.version:
            return None
        self._agent_bytes -= len(before.body) if before else 0
        if self._agent_bytes + len(live.body) > MOST_AGENT_BYTES:
            live = pack_agent(obj, largest=0)
        self._agent_bytes += len(live.body)
        self.unreadable.record(target, live)
        self._agents[key] = live
        self.routes.record(key, obj.get("spec"))
        if before is None or before.uid != live.uid:
            self._children.keep_owned(key, live.uid)
        if event != LISTED:
            # A list may come from an API server that lags far behind, so only watch events count.
            self._last_event[key] = self._clock()
        self._conditions[key] = () if live.unreadable else _true_conditions(obj)
        changed = before is None or (before.body, before.unreadable) != (live.body, live.unreadable)
        return self._expectations.record(key, target, live.version, changed=changed)

    def forget(self, key: Key, uid: str) -> None:
        """Remove an AgentDeployment that no longer exists although no watch has shown its deletion."""
        live = self._agents.get(key)
        if live is not None and live.uid == uid:
            self._drop(key)

    def forget_all(self) -> None:
        """Remove all AgentDeployments. Deleting their CustomResourceDefinition deleted them."""
        for key in tuple(self._agents):
            self._drop(key)

    def _drop(self, key: Key) -> None:
        dropped = self._agents.pop(key, None)
        self._agent_bytes -= len(dropped.body) if dropped else 0
        self._last_event.pop(key, None)
        self.routes.forget(key)
        self._conditions.pop(key, None)
        self.unreadable.forget(Ref(constants.KIND, *key))
        self._conflicts = {target: agent for target, agent in self._conflicts.items() if agent != key}

    def observe(self, kind: str, event: str, obj: Object) -> Key | None:
        """Record an event of an object whose labels name an agent. Objects of other owners cause no pass."""
        target, key = ref(kind, obj), agent_key(obj)
        if event == "DELETED" or key is None:
            self.unreadable.forget(target)
            return self._remove(target, obj)
        live = pack(kind, obj, largest=LARGEST_BODY)
        self.unreadable.record(target, live)
        agent = self._agents.get(key)
        if not may_be_child(kind, live, agent):
            return self._remove(target, obj) if self._children.key(target) else None
        if self._children.key(target) not in (None, key):
            self._remove(target, obj)
        before = self._child(key, target)
        if before is not None and before.uid == live.uid and live.version < before.version:
            return None
        if not self._children.has_room(live, is_known=agent is not None):
            live = pack(kind, obj, largest=0)
        live = self._with_body(target, live, before)
        if not self._children.put(key, target, live):
            return None
        changed = before is None or _content(before) != _content(live)
        is_deleted = "deletionTimestamp" in obj["metadata"]
        return self._expectations.record(key, target, live.version, changed=changed, deleted=is_deleted)

    def _with_body(self, target: Ref, live: Live, before: Live | None) -> Live:
        """Return the object with the body that the operator wrote or read, if the object has not changed since."""
        if not live.is_partial:
            return live
        for known in (self._bodies.pop(target, None), before):
            if known is not None and (known.uid, known.version) == (live.uid, live.version):
                return known
        return live

    def _remove(self, target: Ref, obj: Object) -> Key | None:
        self._bodies.pop(target, None)
        uid, key = obj["metadata"].get("uid"), self._children.key(target)
        if key is None:
            self._children.remove(target)
            conflicting = self._conflicts.pop(target, None)
            return conflicting and self._expectations.record(conflicting, target, version(obj), changed=True)
        live = self._child(key, target)
        if live is None or uid not in (None, live.uid):
            return None
        self._children.remove(target)
        return self._expectations.record(key, target, version(obj), changed=True, deleted=True)

    def retain(self, kind: str, namespaces: Iterable[str], listed: AbstractSet[Ref]) -> set[Key]:
        """Remove the objects that a complete list does not contain. Empty `namespaces`: the list is cluster-wide."""
        scope = frozenset(namespaces)
        self.unreadable.retain(kind, scope, listed)
        changed = set()
        for target in [t for t in self._children if t.kind == kind and t not in listed]:
            if not scope or target.namespace in scope:
                removed = {"metadata": {"name": target.name, "namespace": target.namespace}}
                changed.add(self.observe(kind, "DELETED", removed))
        return {key for key in changed if key is not None}

    def record_conflict(self, key: Key, target: Ref) -> None:
        """Record an object of another owner that keeps an agent from creating a child. Its deletion causes a pass."""
        self._conflicts[target] = key

    def record_body(self, key: Key, target: Ref, live: Live) -> None:
        """Record an object that the operator wrote or read, unless its watch contains the whole object."""
        cached = self._child(key, target)
        if cached is not None and cached.is_partial and (cached.uid, cached.version) == (live.uid, live.version):
            if len(live.body) <= LARGEST_BODY and self._children.has_room(live, is_known=True):
                self._children.put(key, target, live)
        elif target.kind in METADATA_ONLY and (cached is None or cached.version < live.version):
            self._bodies[target] = live

    # Expectations

    def expectations_met(self, key: Key) -> bool:
        """Report whether the watches have shown every write."""
        return self._expectations.met(key)

    def begin_pass(self, key: Key) -> bool:
        """Start a pass over an agent; False while a write of the last pass is pending."""
        return self._expectations.begin_pass(key)

    def expect_write(self, key: Key, target: Ref, written: int) -> None:
        """Record a write to which the API server responded with this resourceVersion."""
        live = self._agents.get(key) if target.kind == constants.KIND else self._child(key, target)
        writes = self._expectations.writes[key]
        writes.written[target] = written
        if live is None or live.version < written:
            writes.pending[target] = (written, self._clock() + EXPECTATION_TIMEOUT)

    def expect_delete(self, key: Key, target: Ref) -> None:
        """Record a delete that the API server accepted."""
        writes = self._expectations.writes[key]
        writes.written[target] = DELETED
        if self._child(key, target) is not None:
            writes.pending[target] = (DELETED, self._clock() + EXPECTATION_TIMEOUT)

    def end_pass(self, key: Key) -> float | None:
        """End a pass. Returns the delay of the next pass in seconds; None if no pass is needed."""
        return self._expectations.end_pass(key)


def _content(live: Live) -> tuple[bytes, str, str, str]:
    return live.body, live.uid, live.owner, live.unreadable


def _true_conditions(agent: Object) -> tuple[str, ...]:
    found = shapes.conditions(shapes.mapping(agent.get("status")).get("conditions"))
    return tuple(condition["type"] for condition in found if condition["status"] == "True")
