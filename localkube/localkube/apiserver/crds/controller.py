"""The CRD controllers: serve custom resources, set the conditions of CRDs, and delete instances before the CRD."""

from collections.abc import Callable
from contextlib import suppress

from localkube import clock
from localkube.apiserver.crds.definition import Definition
from localkube.apiserver.deleter import CRD_CLEANUP, CRDS, Deleter
from localkube.apiserver.options import DeleteOptions, WriteOptions
from localkube.apiserver.resources import ResourceTable
from localkube.apiserver.storage.store import Event, Record, Store
from localkube.apiserver.writer import Writer
from localkube.meta.status import ApiError, Object

_DELAY = 0.2
_STATUS = WriteOptions("kube-apiserver", subresource="status")
_FINALIZERS = WriteOptions("kube-apiserver")


class CrdController:
    """Watches CRDs. `definitions` contains the served ones by `plural.group`."""

    def __init__(
        self,
        store: Store,
        resources: ResourceTable,
        writer: Writer,
        deleter: Deleter,
        changed: Callable[[str], None],
        later: Callable[[float, Callable[[], None]], None] = clock.later,
    ) -> None:
        self.definitions: dict[str, Definition] = {}
        self._store = store
        self._resources = resources
        self._writer = writer
        self._deleter = deleter
        self._changed = changed
        self._later = later
        store.listen(CRDS, "", self._observe)

    def _observe(self, event: Event) -> None:
        name = event.record.key[1]
        if event.type == "DELETED":
            self._withdraw(name)
            return
        current = self._store.bucket(CRDS).get(event.record.key)
        if current is None:
            return
        if name not in self.definitions or event.before is None or _spec_changed(event):
            self._serve(current)
        if "deletionTimestamp" in event.record.object["metadata"]:
            self._later(_DELAY, lambda: self._clean(name))

    def _serve(self, record: Record) -> None:
        definition = Definition(record.object)
        name = record.key[1]
        known = self.definitions.get(name)
        if known is not None:
            self._resources.remove(known.resource)
        self.definitions[name] = definition
        self._resources.add(definition.resource)
        self._changed(name)
        if not (record.object.get("status") or {}).get("conditions"):
            self._accept(record)

    def _accept(self, record: Record) -> None:
        names = record.object["spec"]["names"]
        stored = [v["name"] for v in record.object["spec"]["versions"] if v.get("storage")]
        conditions = [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            _condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ]
        status = {"conditions": conditions, "acceptedNames": names, "storedVersions": stored}
        self._writer.update(
            self._resources.named(CRDS), "", record.key[1], lambda obj: {**obj, "status": status}, _STATUS
        )

    def _withdraw(self, name: str) -> None:
        definition = self.definitions.pop(name, None)
        if definition is not None:
            self._resources.remove(definition.resource)
            self._store.forget(definition.resource.key)
            self._changed(name)

    def _clean_after_next(self, name: str) -> None:
        """Try again when the next instance is removed. Finalizers may delay that."""

        def observe(event: Event) -> None:
            if event.type == "DELETED":
                stop()
                self._later(_DELAY, lambda: self._clean(name))

        stop = self._store.listen(self.definitions[name].resource.key, "", observe)

    def _clean(self, name: str) -> None:
        """Delete the instances of a CRD that is being deleted; remove its finalizer when no instance is left."""
        definition = self.definitions.get(name)
        record = self._store.bucket(CRDS).get(("", name))
        if definition is None or record is None:
            return
        bucket = self._store.bucket(definition.resource.key)
        for instance in list(bucket.ordered()):
            with suppress(ApiError):
                self._deleter.delete(definition.resource, instance, DeleteOptions(propagation="Background"))
        if len(bucket):
            self._clean_after_next(name)
            return

        def release(obj: Object) -> Object:
            left = [f for f in obj["metadata"].get("finalizers", ()) if f != CRD_CLEANUP]
            return {**obj, "metadata": {**obj["metadata"], "finalizers": left}}

        with suppress(ApiError):
            self._writer.update(self._resources.named(CRDS), "", name, release, _FINALIZERS)


def _spec_changed(event: Event) -> bool:
    return event.before is None or event.before.object["spec"] != event.record.object["spec"]


def _condition(kind: str, reason: str, message: str) -> Object:
    return {
        "type": kind,
        "status": "True",
        "lastTransitionTime": clock.timestamp(clock.now()),
        "reason": reason,
        "message": message,
    }
