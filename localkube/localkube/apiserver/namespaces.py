"""The namespace controller: empties terminating namespaces, then removes them."""

from collections.abc import Callable
from contextlib import suppress

from localkube import clock
from localkube.apiserver.deleter import Deleter
from localkube.apiserver.options import DeleteOptions
from localkube.apiserver.resources import ResourceTable
from localkube.apiserver.storage.store import Event, Store
from localkube.meta.status import ApiError

_DELAY = 0.05


class NamespaceLifecycle:
    """Deletes the content of terminating namespaces, and removes them when they are empty."""

    def __init__(
        self,
        store: Store,
        resources: ResourceTable,
        deleter: Deleter,
        later: Callable[[float, Callable[[], None]], None] = clock.later,
    ) -> None:
        self._store = store
        self._resources = resources
        self._deleter = deleter
        self._later = later
        self._terminating: set[str] = set()
        self._due: set[str] = set()
        store.listen_all(self._observe)

    def _observe(self, resource: str, event: Event) -> None:
        namespace, name = event.record.key
        if resource == "namespaces":
            if event.type == "DELETED":
                self._terminating.discard(name)
            elif "deletionTimestamp" in event.record.object["metadata"]:
                self._terminating.add(name)
                self._schedule(name)
        elif event.type == "DELETED" and namespace in self._terminating:
            self._schedule(namespace)

    def _schedule(self, namespace: str) -> None:
        idle = not self._due
        self._due.add(namespace)
        if idle:
            self._later(_DELAY, self._run)

    def _run(self) -> None:
        due, self._due = self._due, set()
        for namespace in due:
            if not self._empty(namespace):
                self._finish(namespace)

    def _empty(self, namespace: str) -> bool:
        """Delete the objects of a namespace; returns whether some remain, for example because of finalizers."""
        left = False
        for resource in list(self._resources):
            if not resource.namespaced or resource.stored_as:
                continue
            bucket = self._store.bucket(resource.key)
            for record in list(bucket.ordered(namespace)):
                if "deletionTimestamp" not in record.object["metadata"]:
                    with suppress(ApiError):
                        self._deleter.delete(resource, record, DeleteOptions(propagation="Background"))
            left |= any(True for _ in bucket.ordered(namespace))
        return left

    def _finish(self, namespace: str) -> None:
        record = self._store.bucket("namespaces").get(("", namespace))
        if record is None:
            return
        obj = {k: v for k, v in record.object.items() if k != "spec"}
        obj = {**obj, "metadata": dict(obj["metadata"]), "spec": {}}
        if obj["metadata"].get("finalizers"):
            if record.object["spec"].get("finalizers"):
                self._store.put("namespaces", record.key, obj, record)
        else:
            self._store.drop("namespaces", record, obj)
