"""The objects of one resource, indexed by namespace, name and label, with a limited history for watches."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable

import orjson

from localkube.meta.selectors import LabelSelector
from localkube.meta.status import Object

Key = tuple[str, str]  # namespace ("" when cluster-scoped), name

HISTORY = 8192  # events per resource; a watch from an older resourceVersion gets 410


class Record:
    """A stored version of an object. Immutable. Its JSON is encoded at most once."""

    __slots__ = ("_json", "key", "object", "version")

    def __init__(self, key: Key, obj: Object, version: int) -> None:
        self.key = key
        self.object = obj
        self.version = version
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        """The JSON of the stored object."""
        if self._json is None:
            self._json = orjson.dumps(self.object)
        return self._json


class Event:
    """A change of one object. A watch with a selector compares it with `before`."""

    __slots__ = ("before", "forms", "record", "type")

    def __init__(self, kind: str, record: Record, before: Record | None) -> None:
        self.type = kind
        self.record = record
        self.before = before
        # Encoded lines by (event type, representation), shared by watchers.
        self.forms: dict[tuple[str, str], bytes] = {}


Listener = Callable[[Event], None]


class Bucket:
    """All objects of one resource."""

    def __init__(self, history: int = HISTORY, forgotten: int = 0) -> None:
        self._records: dict[Key, Record] = {}
        self._namespaces: dict[str, dict[str, Record]] = {}
        self._labels: dict[tuple[str, str], dict[Key, Record]] = {}
        self._order: list[Key] | None = None
        self.history: deque[Event] = deque(maxlen=history)
        self.forgotten = forgotten  # resourceVersion of the newest event that the history has lost
        self.listeners: dict[str, dict[int, Listener]] = {}  # by namespace, "" for all

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: Key) -> Record | None:
        """The record of an object; None if there is none."""
        return self._records.get(key)

    def ordered(self, namespace: str = "") -> Iterable[Record]:
        """Objects sorted by namespace and name, as etcd lists them."""
        if namespace:
            found = self._namespaces.get(namespace, {})
            return [found[name] for name in sorted(found)]
        if self._order is None:
            self._order = sorted(self._records)
        return [self._records[key] for key in self._order]

    def select(self, namespace: str, labels: LabelSelector | None) -> Iterable[Record]:
        """Objects that match a selector, sorted. If the selector requires a label value, an index finds them."""
        if labels is None:
            return self.ordered(namespace)
        pairs = labels.pairs()
        if not pairs:
            return [r for r in self.ordered(namespace) if labels.matches(r.object)]
        smallest = min((self._labels.get(pair, {}) for pair in pairs), key=len)
        return [
            smallest[key]
            for key in sorted(smallest)
            if (not namespace or key[0] == namespace) and labels.matches(smallest[key].object)
        ]

    def put(self, record: Record, before: Record | None) -> None:
        """Store a new version of an object."""
        key = record.key
        if before is None:
            self._order = None
        self._records[key] = record
        self._namespaces.setdefault(key[0], {})[key[1]] = record
        if before is not None:
            self._unlabel(before)
        for pair in _labels(record):
            self._labels.setdefault(pair, {})[key] = record

    def drop(self, before: Record) -> None:
        """Remove an object."""
        self._order = None
        del self._records[before.key]
        names = self._namespaces[before.key[0]]
        del names[before.key[1]]
        if not names:
            del self._namespaces[before.key[0]]
        self._unlabel(before)

    def _unlabel(self, record: Record) -> None:
        for pair in _labels(record):
            keys = self._labels[pair]
            keys.pop(record.key, None)
            if not keys:
                del self._labels[pair]

    def remember(self, event: Event) -> None:
        """Append to the history; drop the oldest event if it is full."""
        if len(self.history) == self.history.maxlen:
            self.forgotten = self.history[0].record.version
        self.history.append(event)

    def since(self, version: int) -> list[Event]:
        """Events newer than a resourceVersion, oldest first."""
        newer = list(itertools.takewhile(lambda e: e.record.version > version, reversed(self.history)))
        return newer[::-1]


def _labels(record: Record) -> Iterable[tuple[str, str]]:
    labels = record.object["metadata"].get("labels")
    return labels.items() if labels else ()
