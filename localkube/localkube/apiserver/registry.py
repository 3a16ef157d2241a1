"""The API without HTTP, for HTTP handlers, controllers and the node."""

from collections.abc import Callable, Mapping

from localkube import clock
from localkube.apiserver.admission import SERVICE_NETWORK, ServiceAddresses
from localkube.apiserver.crds.controller import CrdController
from localkube.apiserver.crds.strategy import CrdStrategy, Custom
from localkube.apiserver.deleter import CRDS, Deleter
from localkube.apiserver.expiry import EventExpiry
from localkube.apiserver.garbage_collector import GarbageCollector
from localkube.apiserver.namespaces import NamespaceLifecycle
from localkube.apiserver.options import DeleteOptions, Outcome, WriteOptions
from localkube.apiserver.resources import Resource, ResourceTable
from localkube.apiserver.storage.store import Event, Record, Store
from localkube.apiserver.strategy import BuiltIn, Strategy
from localkube.apiserver.writer import Writer
from localkube.meta import status
from localkube.meta.selectors import LabelSelector
from localkube.meta.status import ApiError, Object

__all__ = ["ApiError", "Object", "Registry"]

Objects = list[Object]  # within the class, `list` is its method

SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_EPOCH = 1_735_689_600  # 2025-01-01; seconds


def _first_version() -> int:
    """The first resourceVersion. It is higher than those of a server that ran before, so that its watchers relist."""
    return (int(clock.now().timestamp()) - _EPOCH) * 100


class Registry:
    """All objects of the cluster. Objects in arguments and results are read-only: copy them before a change.

    `resource` is `plural.group` as in kubectl: "pods", "deployments.apps". A write has the effects of an HTTP request:
    defaulting, validation, generation, managedFields, watch events, garbage collection.
    """

    def __init__(self, store: Store | None = None, *, services: str = SERVICE_NETWORK) -> None:
        """Create an empty registry; `services` is the network of cluster IPs."""
        self.store = store or Store(version=_first_version())
        self.resources = ResourceTable()
        self.generation = 0  # increases when a CRD changes the served resources
        self._strategies: dict[tuple[str, str], Strategy] = {}
        self.writer = Writer(self.store, self.strategy, ServiceAddresses(self.store, services))
        self.deleter = Deleter(self.store)
        self.garbage = GarbageCollector(self.store, self.resources, self.writer, self.deleter)
        self.expiry = EventExpiry(self.store)
        self.crds = CrdController(self.store, self.resources, self.writer, self.deleter, self._on_crd_change)
        self.namespaces = NamespaceLifecycle(self.store, self.resources, self.deleter)

    def bootstrap(self) -> None:
        """Create the namespaces that every cluster has, unless they exist."""
        for name in SYSTEM_NAMESPACES:
            if self.find("namespaces", "", name) is None:
                namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                self.create("namespaces", "", namespace, manager="kube-apiserver")

    def resource(self, key: str) -> Resource:
        """Look up a resource by `plural.group`. Raises ApiError 404."""
        found = self.resources.get(key)
        if found is None:
            raise status.no_resource()
        return found

    def strategy(self, resource: Resource, version: str) -> Strategy:
        """The strategy of a resource in a version."""
        key = (resource.key, version)
        if key not in self._strategies:
            self._strategies[key] = self._strategy(resource, version)
        return self._strategies[key]

    def _strategy(self, resource: Resource, version: str) -> Strategy:
        if resource.key == CRDS:
            return CrdStrategy(resource)
        if resource.custom:
            return Custom(self.crds.definitions[resource.key], version)
        return BuiltIn(resource, version)

    def _on_crd_change(self, crd: str) -> None:
        """Drop the cached strategies of a custom resource whose CRD has changed."""
        self.generation += 1
        self._strategies = {k: v for k, v in self._strategies.items() if k[0] != crd}

    def get(self, resource: str, namespace: str, name: str) -> Object:
        """Return one object. Raises ApiError 404."""
        return self.writer.live(self.resource(resource), namespace, name).object

    def find(self, resource: str, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        record = self.store.bucket(resource).get((namespace, name))
        return None if record is None else record.object

    def list(self, resource: str, namespace: str = "", *, labels: Mapping[str, str] | None = None) -> Objects:
        """Objects of one namespace ("" for all) with these labels, sorted by namespace and name."""
        selector = LabelSelector.equal(labels) if labels else None
        return [record.object for record in self.store.bucket(resource).select(namespace, selector)]

    def owned(self, resource: str, uid: str) -> Objects:
        """Objects of a resource with an ownerReference to `uid`."""
        owned = self.store.owned(uid)
        return [record.object for (owned_resource, _), record in sorted(owned.items()) if owned_resource == resource]

    def create(self, resource: str, namespace: str, obj: Object, *, manager: str) -> Object:
        """Create an object. Raises ApiError on failure."""
        return self.writer.create(self.resource(resource), namespace, obj, WriteOptions(manager)).object

    def update(self, resource: str, namespace: str, obj: Object, *, manager: str, subresource: str = "") -> Object:
        """Update an object, its status or its Scale; a resourceVersion in the object is a precondition.

        Raises:
            ApiError: the write is refused.
        """
        options = WriteOptions(manager, subresource=subresource)
        name = obj["metadata"]["name"]
        if subresource == "scale":
            return self.writer.rescale(self.resource(resource), namespace, name, obj, options).object
        return self.writer.update(self.resource(resource), namespace, name, lambda _: obj, options).object

    def delete(self, resource: str, namespace: str, name: str, *, uid: str = "", grace: int | None = None) -> None:
        """Delete an object, and its dependents in the background. Raises ApiError 404, 409."""
        found = self.resource(resource)
        record = self.writer.live(found, namespace, name)
        self.remove(found, record, DeleteOptions(uid=uid, grace=grace))

    def remove(self, resource: Resource, record: Record, options: DeleteOptions) -> Outcome:
        """Delete a stored object. Raises ApiError 409."""
        return self.deleter.delete(resource, record, options)

    def subscribe(self, resource: str, callback: Callable[[str, Object], None]) -> Callable[[], None]:
        """Call back with ADDED for existing objects, then with every change; returns a function that stops it."""
        seen = self.store.version

        def notify(event: Event) -> None:
            if event.record.version > seen:  # an older one is among the existing objects
                callback(event.type, event.record.object)

        stop = self.store.listen(resource, "", notify)
        for record in list(self.store.bucket(resource).ordered()):
            callback("ADDED", record.object)
        return stop
