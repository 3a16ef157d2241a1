"""All objects, with one counter for resourceVersions, indexes by owner and uid, and listeners for changes."""

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterator

from localkube.apiserver.storage.bucket import HISTORY, Bucket, Event, Key, Listener, Record
from localkube.meta.status import Object

_log = logging.getLogger(__name__)

__all__ = ["Bucket", "Event", "Key", "Record", "Store"]


def _ordered(obj: Object) -> Object:
    """Put apiVersion and kind first: lists of built-in kinds cut them off the JSON of their items."""
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **obj}


class Store:
    """All objects of the cluster. Not thread-safe."""

    def __init__(self, history: int = HISTORY, version: int = 1) -> None:
        self.version = version
        self._base = version  # histories have only events after this version
        self._history = history
        self._buckets: dict[str, Bucket] = {}
        self._owned: dict[str, dict[tuple[str, Key], Record]] = {}
        self._uids: dict[str, tuple[str, Key]] = {}
        self._pending: deque[tuple[Bucket, Event]] = deque()
        self._delivering = False
        self._tickets = itertools.count()
        self._everything: list[Callable[[str, Event], None]] = []

    def bucket(self, resource: str) -> Bucket:
        """The bucket of `plural.group`, created on first use."""
        found = self._buckets.get(resource)
        if found is None:
            found = self._buckets[resource] = Bucket(self._history, self._base)
        return found

    def resources(self) -> Iterator[str]:
        """The resources that have had objects."""
        return iter(list(self._buckets))

    def tick(self) -> int:
        """Increase the resourceVersion of the store by one and return it."""
        self.version += 1
        return self.version

    def put(self, resource: str, key: Key, obj: Object, before: Record | None) -> Record:
        """Store `obj` with a new resourceVersion, which is set in its metadata: the caller must own that dict."""
        version = self.tick()
        obj["metadata"]["resourceVersion"] = str(version)
        record = Record(key, _ordered(obj), version)
        bucket = self.bucket(resource)
        bucket.put(record, before)
        self._index(resource, record, before)
        self._publish(resource, bucket, Event("ADDED" if before is None else "MODIFIED", record, before))
        return record

    def drop(self, resource: str, before: Record, last: Object) -> Record:
        """Remove an object; `last` is its final state for the DELETED event, a copy that the caller owns."""
        version = self.tick()
        last["metadata"]["resourceVersion"] = str(version)
        record = Record(before.key, _ordered(last), version)
        bucket = self.bucket(resource)
        bucket.drop(before)
        self._index(resource, None, before)
        self._publish(resource, bucket, Event("DELETED", record, before))
        return record

    def forget(self, resource: str) -> None:
        """Drop the history of a resource whose CRD is removed; it has no objects any more."""
        bucket = self.bucket(resource)
        bucket.history.clear()
        bucket.forgotten = self.version

    def owned(self, uid: str) -> dict[tuple[str, Key], Record]:
        """The records of objects with an ownerReference to a uid, by (resource, key); treat as read-only."""
        return self._owned.get(uid, {})

    def find_uid(self, uid: str) -> tuple[str, Record] | None:
        """The resource and the record of the object with a uid; None if there is none."""
        found = self._uids.get(uid)
        if found is None:
            return None
        record = self.bucket(found[0]).get(found[1])
        return None if record is None else (found[0], record)

    def _index(self, resource: str, record: Record | None, before: Record | None) -> None:
        if before is None and record is not None:
            self._uids[record.object["metadata"]["uid"]] = (resource, record.key)
        elif record is None and before is not None:
            self._uids.pop(before.object["metadata"]["uid"], None)
        if before is not None:
            self._disown(resource, before)
        if record is not None:
            for reference in record.object["metadata"].get("ownerReferences") or ():
                self._owned.setdefault(reference["uid"], {})[resource, record.key] = record

    def _disown(self, resource: str, before: Record) -> None:
        for reference in before.object["metadata"].get("ownerReferences") or ():
            owned = self._owned.get(reference["uid"], {})
            owned.pop((resource, before.key), None)
            if not owned:
                self._owned.pop(reference["uid"], None)

    def listen(self, resource: str, namespace: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` on every change of a resource in a namespace ("": all); returns a function that stops it."""
        ticket = next(self._tickets)
        listeners = self.bucket(resource).listeners.setdefault(namespace, {})
        listeners[ticket] = listener

        def stop() -> None:
            listeners.pop(ticket, None)

        return stop

    def listen_all(self, listener: Callable[[str, Event], None]) -> None:
        """Call `listener(resource, event)` on every change, before the listeners of one resource."""
        self._everything.append(listener)

    def _publish(self, resource: str, bucket: Bucket, event: Event) -> None:
        bucket.remember(event)
        self._pending.append((bucket, event))
        for listener in self._everything:
            listener(resource, event)
        if self._delivering:
            # A listener wrote to the store. The loop of the outer call delivers this event after all listeners have
            # received the current one.
            return
        self._delivering = True
        try:
            while self._pending:
                self._deliver(*self._pending.popleft())
        finally:
            self._delivering = False

    @staticmethod
    def _deliver(bucket: Bucket, event: Event) -> None:
        for scope in (event.record.key[0], "") if event.record.key[0] else ("",):
            for listener in list(bucket.listeners.get(scope, {}).values()):
                try:
                    listener(event)
                except Exception:  # noqa: BLE001 - the object is stored: a bug must not fail its write, nor deafen others
                    _log.exception("a listener failed on %s of %s", event.type, event.record.key)
