"""What the watches have shown, by agent, and what is still to be shown of our own writes.

Deciding on a stale picture is the largest class of operator bugs. So every write is entered in a ledger, and an agent
is not decided on again until the watch has shown what was written (or, should a watch lag, a deadline has passed).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from agent_operator.api import constants
from agent_operator.kube.objects import LISTED, Key, Live, Object, Ref, agent_key, pack, pack_agent, ref, version

# A watch is normally milliseconds behind. Later than this, deciding on old news beats not deciding.
LEDGER_TIMEOUT = 10.0
_GONE = -1


@dataclass(slots=True)
class _Ledger:
    """Writes of one agent: seen are events that came while a pass ran, written what that pass wrote."""

    running: bool = False
    dirty: bool = False
    seen: list[tuple[Ref, int]] = field(default_factory=list)
    written: dict[Ref, int] = field(default_factory=dict)
    awaited: dict[Ref, tuple[int, float]] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return not (self.running or self.dirty or self.awaited)


class Store:
    """Agents and their objects, as last seen. Methods that take news return the agents to look at because of it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._agents: dict[Key, Live] = {}
        self._heard: dict[Key, float] = {}
        self._conditions: dict[Key, tuple[str, ...]] = {}
        self._children: dict[Key, dict[Ref, Live]] = {}
        self._keys: dict[Ref, Key] = {}
        self._ledgers: defaultdict[Key, _Ledger] = defaultdict(_Ledger)

    # What is known

    @property
    def agents(self) -> Iterable[Key]:
        """Every agent there is."""
        return tuple(self._agents)

    def condition_counts(self) -> Mapping[str, float]:
        """Count the agents of which each condition is true."""
        return Counter(kind for kinds in self._conditions.values() for kind in kinds)

    def agent(self, key: Key) -> Live | None:
        """Return the AgentDeployment."""
        return self._agents.get(key)

    def heard_of(self, key: Key) -> float:
        """Seconds since a watch last told of the AgentDeployment."""
        return self._clock() - self._heard.get(key, float("-inf"))

    def children(self, key: Key) -> dict[Ref, Live]:
        """Return the objects that say they belong to the agent; the caller may change the dict."""
        return dict(self._children.get(key, {}))

    # What the watches say

    def observe_agent(self, event: str, obj: Object) -> Key | None:
        """Take in an event of an AgentDeployment."""
        target, live = ref(constants.KIND, obj), pack_agent(obj)
        key = Key(target.namespace, target.name)
        if event == "DELETED":
            if key in self._agents and self._agents[key].uid != live.uid:
                return None  # a former one of the same name
            self._agents.pop(key, None)
            self._heard.pop(key, None)
            self._conditions.pop(key, None)
            self._ledgers.pop(key, None)
            return None
        before = self._agents.get(key)
        if before is not None and before.uid == live.uid and live.version < before.version:
            return None
        self._agents[key] = live
        if event != LISTED:
            # A list may come from an API server that is far behind; what a watch adds to it is news.
            self._heard[key] = self._clock()
        self._conditions[key] = _true_conditions(obj)
        return self._news(key, target, live.version, changed=before is None or before.body != live.body)

    def gone(self, key: Key, uid: str) -> None:
        """Forget an AgentDeployment that no longer exists, although no watch said so."""
        live = self._agents.get(key)
        if live is not None and live.uid == uid:
            del self._agents[key]
            self._heard.pop(key, None)
            self._conditions.pop(key, None)

    def all_gone(self) -> None:
        """Forget all AgentDeployments: their CustomResourceDefinition was deleted, and they with it."""
        for key, live in tuple(self._agents.items()):
            self.gone(key, live.uid)

    def observe(self, kind: str, event: str, obj: Object) -> Key | None:
        """Take in an event of a child."""
        target = ref(kind, obj)
        key = agent_key(obj)
        known = self._keys.get(target)
        if event == "DELETED" or key is None:
            return self._remove(target, obj, known)
        if known is not None and known != key:
            self._remove(target, obj, known)
        self._keys[target] = key
        objects = self._children.setdefault(key, {})
        before, live = objects.get(target), pack(kind, obj)
        if before is not None and before.uid == live.uid and live.version < before.version:
            return None
        objects[target] = live
        terminating = "deletionTimestamp" in obj["metadata"]
        changed = before is None or (before.body, before.uid) != (live.body, live.uid)
        return self._news(key, target, live.version, changed=changed, gone=terminating)

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
        return self._news(key, target, version(obj), changed=True, gone=True)

    def retain(self, kind: str, namespaces: Iterable[str], listed: AbstractSet[Ref]) -> set[Key]:
        """Take in that a list is complete: what is not in it is gone. Empty `namespaces`: it was of all of them."""
        scope = set(namespaces)
        changed = set()
        for target in [t for t in self._keys if t.kind == kind and t not in listed]:
            if not scope or target.namespace in scope:
                gone = {"metadata": {"name": target.name, "namespace": target.namespace}}
                changed.add(self.observe(kind, "DELETED", gone))
        return {key for key in changed if key is not None}

    # Our own writes

    def settled(self, key: Key) -> bool:
        """Tell whether the watches have shown all that was written."""
        ledger = self._ledgers.get(key)
        return ledger is None or not ledger.awaited

    def begin(self, key: Key) -> bool:
        """Start a pass over an agent; False while news of the last pass's writes is awaited."""
        ledger = self._ledgers[key]
        if self._overdue(key) > 0:
            ledger.dirty = True
            return False
        ledger.awaited.clear()
        ledger.seen.clear()
        ledger.written.clear()
        ledger.running, ledger.dirty = True, False
        return True

    def wrote(self, key: Key, target: Ref, written: int) -> None:
        """Enter a write that the API server answered with this resourceVersion."""
        ledger = self._ledgers[key]
        ledger.written[target] = written
        live = self._agents.get(key) if target.kind == constants.KIND else self._children.get(key, {}).get(target)
        if live is None or live.version < written:
            ledger.awaited[target] = (written, self._clock() + LEDGER_TIMEOUT)

    def deleted(self, key: Key, target: Ref) -> None:
        """Enter a delete that the API server accepted."""
        ledger = self._ledgers[key]
        ledger.written[target] = _GONE
        if target in self._children.get(key, {}):
            ledger.awaited[target] = (_GONE, self._clock() + LEDGER_TIMEOUT)

    def end(self, key: Key) -> float | None:
        """End a pass. Returns in how many seconds to look again: 0 at once, None not at all."""
        ledger = self._ledgers[key]
        ledger.running = False
        ours = ledger.written
        ledger.dirty |= any(ours.get(target) not in (seen, _GONE) for target, seen in ledger.seen)
        wait = self._overdue(key)
        again = wait if ledger.awaited else (0.0 if ledger.dirty else None)
        if ledger.idle:
            del self._ledgers[key]
        return again

    def _overdue(self, key: Key) -> float:
        """Seconds until what is awaited is given up; 0 when nothing is."""
        ledger = self._ledgers.get(key)
        if ledger is None or not ledger.awaited:
            return 0.0
        return max(0.0, max(deadline for _, deadline in ledger.awaited.values()) - self._clock())

    def _news(self, key: Key, target: Ref, seen: int, *, changed: bool, gone: bool = False) -> Key | None:
        ledger = self._ledgers.get(key)
        if ledger is None:
            return key if changed else None
        awaited, _ = ledger.awaited.get(target, (None, 0.0))
        if awaited is not None and (gone if awaited == _GONE else seen >= awaited or gone):
            del ledger.awaited[target]
        ours = gone if ledger.written.get(target) == _GONE else ledger.written.get(target) == seen
        if ledger.running:
            if changed:
                ledger.seen.append((target, seen))
            return None
        ledger.dirty |= changed and not ours
        if ledger.awaited or not ledger.dirty:
            if ledger.idle:
                del self._ledgers[key]
            return None
        del self._ledgers[key]
        return key


def _true_conditions(agent: Object) -> tuple[str, ...]:
    conditions = (agent.get("status") or {}).get("conditions") or ()
    return tuple(condition["type"] for condition in conditions if condition["status"] == "True")
