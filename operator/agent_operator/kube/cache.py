"""The cache of AgentDeployments and their children, with expectations of the operator's own writes.

Most bugs of operators are decisions on a stale cache. So the operator records every write as an expectation, and does
not reconcile an agent again until the watch has shown that write. A deadline bounds the wait for a watch that lags.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from agent_operator.api import constants
from agent_operator.kube.objects import LISTED, Key, Live, Object, Ref, agent_key, pack, pack_agent, ref, version

# Seconds. A watch normally lags by milliseconds. After this time a decision on a stale cache is better than none.
EXPECTATION_TIMEOUT = 10.0
_DELETED = -1


@dataclass(slots=True)
class _Expectations:
    """Writes to one agent and its children that the watches must still show.

    Attributes:
        running: whether a pass over the agent is running.
        dirty: whether something changed that no pass has seen.
        events: resourceVersions that the watches showed during the pass.
        written: resourceVersions that the pass wrote; _DELETED for a delete.
        pending: writes that the watches have not shown yet, each with the deadline of the wait.
    """

    running: bool = False
    dirty: bool = False
    events: list[tuple[Ref, int]] = field(default_factory=list)
    written: dict[Ref, int] = field(default_factory=dict)
    pending: dict[Ref, tuple[int, float]] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return not (self.running or self.dirty or self.pending)


class Store:
    """The agents and their children as the watches last showed them.

    Methods that record an event return the keys of the agents to reconcile because of it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._agents: dict[Key, Live] = {}
        self._last_event: dict[Key, float] = {}
        self._conditions: dict[Key, tuple[str, ...]] = {}
        self._children: dict[Key, dict[Ref, Live]] = {}
        self._keys: dict[Ref, Key] = {}
        self._expectations: defaultdict[Key, _Expectations] = defaultdict(_Expectations)

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
        """Return a copy of the objects whose labels name the agent."""
        return dict(self._children.get(key, {}))

    # Events

    def observe_agent(self, event: str, obj: Object) -> Key | None:
        """Record an event of an AgentDeployment."""
        target, live = ref(constants.KIND, obj), pack_agent(obj)
        key = Key(target.namespace, target.name)
        if event == "DELETED":
            if key in self._agents and self._agents[key].uid != live.uid:
                return None  # a former object of the same name
            self._drop(key)
            self._expectations.pop(key, None)
            return None
        before = self._agents.get(key)
        if before is not None and before.uid == live.uid and live.version < before.version:
            return None
        self._agents[key] = live
        if event != LISTED:
            # A list may come from an API server that lags far behind, so only watch events count.
            self._last_event[key] = self._clock()
        self._conditions[key] = _true_conditions(obj)
        return self._record(key, target, live.version, changed=before is None or before.body != live.body)

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
        self._agents.pop(key, None)
        self._last_event.pop(key, None)
        self._conditions.pop(key, None)

    def observe(self, kind: str, event: str, obj: Object) -> Key | None:
        """Record an event of a child."""
        target = ref(kind, obj)
        key = agent_key(obj)
        previous_key = self._keys.get(target)
        if event == "DELETED" or key is None:
            return self._remove(target, obj, previous_key)
        if previous_key is not None and previous_key != key:
            self._remove(target, obj, previous_key)
        self._keys[target] = key
        objects = self._children.setdefault(key, {})
        before, live = objects.get(target), pack(kind, obj)
        if before is not None and before.uid == live.uid and live.version < before.version:
            return None
        objects[target] = live
        terminating = "deletionTimestamp" in obj["metadata"]
        changed = before is None or (before.body, before.uid) != (live.body, live.uid)
        return self._record(key, target, live.version, changed=changed, deleted=terminating)

    def _remove(self, target: Ref, obj: Object, key: Key | None) -> Key | None:
        if key is None:
            return None
        live = self._children.get(key, {}).get(target)
        if live is None or (live.uid != obj["metadata"].get("uid", live.uid)):
            return None
        del self._keys[target]
        del self._children[key][target]
        if not self._children[key]:
            del self._children[key]
        return self._record(key, target, version(obj), changed=True, deleted=True)

    def retain(self, kind: str, namespaces: Iterable[str], listed: AbstractSet[Ref]) -> set[Key]:
        """Remove the objects that a complete list does not contain. Empty `namespaces`: the list is cluster-wide."""
        scope = set(namespaces)
        changed = set()
        for target in [t for t in self._keys if t.kind == kind and t not in listed]:
            if not scope or target.namespace in scope:
                removed = {"metadata": {"name": target.name, "namespace": target.namespace}}
                changed.add(self.observe(kind, "DELETED", removed))
        return {key for key in changed if key is not None}

    # Expectations

    def expectations_met(self, key: Key) -> bool:
        """Report whether the watches have shown every write."""
        expectations = self._expectations.get(key)
        return expectations is None or not expectations.pending

    def begin_pass(self, key: Key) -> bool:
        """Start a pass over an agent; False while a write of the last pass is pending."""
        expectations = self._expectations[key]
        if self._time_left(key) > 0:
            expectations.dirty = True
            return False
        expectations.pending.clear()
        expectations.events.clear()
        expectations.written.clear()
        expectations.running, expectations.dirty = True, False
        return True

    def expect_write(self, key: Key, target: Ref, written: int) -> None:
        """Record a write to which the API server responded with this resourceVersion."""
        expectations = self._expectations[key]
        expectations.written[target] = written
        live = self._agents.get(key) if target.kind == constants.KIND else self._children.get(key, {}).get(target)
        if live is None or live.version < written:
            expectations.pending[target] = (written, self._clock() + EXPECTATION_TIMEOUT)

    def expect_delete(self, key: Key, target: Ref) -> None:
        """Record a delete that the API server accepted."""
        expectations = self._expectations[key]
        expectations.written[target] = _DELETED
        if target in self._children.get(key, {}):
            expectations.pending[target] = (_DELETED, self._clock() + EXPECTATION_TIMEOUT)

    def end_pass(self, key: Key) -> float | None:
        """End a pass. Returns the delay of the next pass in seconds; None if no pass is needed."""
        expectations = self._expectations[key]
        expectations.running = False
        written = expectations.written
        expectations.dirty |= any(written.get(target) not in (seen, _DELETED) for target, seen in expectations.events)
        delay = self._time_left(key) if expectations.pending else (0.0 if expectations.dirty else None)
        if expectations.idle:
            del self._expectations[key]
        return delay

    def _time_left(self, key: Key) -> float:
        """Return seconds until the last deadline of a pending write; 0 if no write is pending."""
        expectations = self._expectations.get(key)
        if expectations is None or not expectations.pending:
            return 0.0
        return max(0.0, max(deadline for _, deadline in expectations.pending.values()) - self._clock())

    def _record(self, key: Key, target: Ref, seen: int, *, changed: bool, deleted: bool = False) -> Key | None:
        """Match an event with the expectations; return the key if the agent needs a pass now."""
        expectations = self._expectations.get(key)
        if expectations is None:
            return key if changed else None
        pending, _ = expectations.pending.get(target, (None, 0.0))
        if pending is not None and (deleted if pending == _DELETED else seen >= pending or deleted):
            del expectations.pending[target]
        written = expectations.written.get(target)
        own = deleted if written == _DELETED else written == seen
        if expectations.running:
            if changed:
                expectations.events.append((target, seen))
            return None
        expectations.dirty |= changed and not own
        if expectations.pending or not expectations.dirty:
            if expectations.idle:
                del self._expectations[key]
            return None
        del self._expectations[key]
        return key


def _true_conditions(agent: Object) -> tuple[str, ...]:
    conditions = (agent.get("status") or {}).get("conditions") or ()
    return tuple(condition["type"] for condition in conditions if condition["status"] == "True")
