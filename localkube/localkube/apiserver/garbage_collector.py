"""Garbage collection by ownerReferences, with the propagation policies Background, Foreground and Orphan."""

from collections.abc import Callable
from contextlib import suppress

from localkube import clock
from localkube.apiserver.deleter import FOREGROUND, ORPHAN, Deleter
from localkube.apiserver.options import DeleteOptions, WriteOptions
from localkube.apiserver.resources import Resource, ResourceTable
from localkube.apiserver.storage.store import Event, Record, Store
from localkube.apiserver.writer import Writer
from localkube.meta.status import ApiError, Object

_DELAY = 0.1  # seconds, so that a client can observe the start of a foreground deletion
_MANAGER = WriteOptions("kube-controller-manager")

Later = Callable[[float, Callable[[], None]], None]


class GarbageCollector:
    """Watches all objects and deletes those whose owners do not exist."""

    def __init__(
        self, store: Store, resources: ResourceTable, writer: Writer, deleter: Deleter, later: Later = clock.later
    ) -> None:
        self._store = store
        self._resources = resources
        self._writer = writer
        self._deleter = deleter
        self._later = later
        self._due: dict[str, None] = {}  # uids to process, in order
        store.listen_all(self._observe)

    @property
    def is_idle(self) -> bool:
        """Whether no object waits to be processed."""
        return not self._due

    def _observe(self, _: str, event: Event) -> None:
        meta = event.record.object["metadata"]
        if event.type == "DELETED":
            for reference in meta.get("ownerReferences") or ():
                self._schedule(reference["uid"])  # an owner may wait for this dependent in a foreground deletion
            for record in list(self._store.owned(meta["uid"]).values()):
                self._schedule(record.object["metadata"]["uid"])
        elif _concerns(meta) and not _unchanged(event):
            self._schedule(meta["uid"])

    def _schedule(self, uid: str) -> None:
        idle = not self._due
        self._due[uid] = None
        if idle:
            self._later(_DELAY, self._run)

    def _run(self) -> None:
        due, self._due = self._due, {}
        for uid in due:
            with suppress(ApiError):  # changed or removed meanwhile: that event has scheduled it again
                self._process(uid)

    def _process(self, uid: str) -> None:
        found = self._store.find_uid(uid)
        resource = self._resources.get(found[0]) if found else None
        if found is None or resource is None:
            return
        record = found[1]
        meta = record.object["metadata"]
        if "deletionTimestamp" in meta:
            if ORPHAN in meta.get("finalizers", ()):
                self._orphan(resource, record)
            elif FOREGROUND in meta.get("finalizers", ()):
                self._foreground(resource, record)
        elif meta.get("ownerReferences"):
            self._dependent(resource, record)

    def _dependent(self, resource: Resource, record: Record) -> None:
        """Delete an object without existing owners; otherwise remove the references to owners that do not exist."""
        references = record.object["metadata"]["ownerReferences"]
        alive = [r for r in references if self._exists(r, record.key[0])]
        if not alive:
            uid = record.object["metadata"]["uid"]
            self._deleter.delete(resource, record, DeleteOptions(uid=uid, propagation="Background"))
        elif len(alive) < len(references):
            self._set_owners(resource, record, alive)

    def _exists(self, reference: Object, namespace: str) -> bool:
        found = self._store.find_uid(reference["uid"])
        return found is not None and found[1].key[0] in ("", namespace)

    def _orphan(self, resource: Resource, record: Record) -> None:
        uid = record.object["metadata"]["uid"]
        for (key, _), dependent in list(self._store.owned(uid).items()):
            kind = self._resources.get(key)
            if kind is not None:
                others = [r for r in dependent.object["metadata"]["ownerReferences"] if r["uid"] != uid]
                self._set_owners(kind, dependent, others)
        self._release(resource, record, ORPHAN)

    def _foreground(self, resource: Resource, record: Record) -> None:
        uid = record.object["metadata"]["uid"]
        blocked = False
        for (key, _), dependent in list(self._store.owned(uid).items()):
            kind = self._resources.get(key)
            if kind is None:
                continue
            meta = dependent.object["metadata"]
            blocked |= any(r.get("blockOwnerDeletion") for r in meta["ownerReferences"] if r["uid"] == uid)
            if "deletionTimestamp" not in meta:
                propagation = "Foreground" if self._store.owned(meta["uid"]) else "Background"
                with suppress(ApiError):
                    self._deleter.delete(kind, dependent, DeleteOptions(uid=meta["uid"], propagation=propagation))
        if not blocked:
            self._release(resource, record, FOREGROUND)

    def _set_owners(self, resource: Resource, record: Record, references: list[Object]) -> None:
        def change(obj: Object) -> Object:
            return {**obj, "metadata": {**obj["metadata"], "ownerReferences": references}}

        self._writer.update(resource, record.key[0], record.key[1], change, _MANAGER)

    def _release(self, resource: Resource, record: Record, finalizer: str) -> None:
        def change(obj: Object) -> Object:
            left = [f for f in obj["metadata"].get("finalizers", ()) if f != finalizer]
            return {**obj, "metadata": {**obj["metadata"], "finalizers": left}}

        self._writer.update(resource, record.key[0], record.key[1], change, _MANAGER)


def _concerns(meta: Object) -> bool:
    if meta.get("ownerReferences"):
        return True
    return "deletionTimestamp" in meta and any(f in (FOREGROUND, ORPHAN) for f in meta.get("finalizers") or ())


def _unchanged(event: Event) -> bool:
    if event.before is None or "deletionTimestamp" in event.record.object["metadata"]:
        return False
    before: Object = event.before.object["metadata"]
    return bool(before.get("ownerReferences") == event.record.object["metadata"].get("ownerReferences"))
