"""The controllers of Endpoints and EndpointSlices."""

import itertools
from abc import abstractmethod

from localkube.controllers.controller import Context, Controller
from localkube.controllers.endpoints import (
    MANAGED_BY,
    SLICE_MANAGER,
    TRIGGERED,
    Backend,
    PortLookup,
    backends,
    headless_label,
    slice_labels,
    slices,
    subsets,
)
from localkube.controllers.selection import SelectorIndex, select
from localkube.meta.objects import (
    SERVICE_NAME_LABEL,
    Key,
    annotations_of,
    is_deleting,
    key_of,
    labels_of,
    owner_reference,
    timestamp,
)
from localkube.meta.selectors import LabelSelector
from localkube.meta.status import Object


def _selector(service: Object) -> dict[str, str] | None:
    """The selector of a Service; None if users manage its endpoints themselves."""
    if service["spec"].get("type") == "ExternalName":
        return None
    return service["spec"].get("selector") or None


class _ServiceController(Controller):
    """Queues a Service when it or a pod that it selects changes."""

    def __init__(self, context: Context, lookup: PortLookup) -> None:
        super().__init__(context)
        self._lookup = lookup
        self._selectors = SelectorIndex()

    def start(self) -> None:
        """Watch Services and pods."""
        self.watch("services", self._on_service)
        self.watch("pods", self._on_pod)

    def _on_service(self, event: str, service: Object) -> None:
        key = key_of(service)
        selector = _selector(service)
        if event == "DELETED" or selector is None:
            self._selectors.drop(key)
        else:
            self._selectors.put(key, LabelSelector.equal(selector))
        self.queue.add(key)

    def _on_pod(self, event: str, pod: Object) -> None:
        for key in self._selectors.affected(event, pod):
            self.queue.add(key)

    def reconcile(self, key: Key) -> float | None:
        """Update the endpoints of a Service."""
        service = self.registry.find("services", *key)
        if service is None:
            self.remove(key)
            return None
        selector = _selector(service)
        if selector is None or is_deleting(service):
            return None
        pods = select(self.registry, "pods", key[0], LabelSelector.equal(selector))
        self.write(key, service, backends(service, pods, self._lookup))
        return None

    def _triggered(self) -> dict[str, str]:
        return {TRIGGERED: timestamp(self.clock())}

    @abstractmethod
    def write(self, key: Key, service: Object, found: list[Backend]) -> None:
        """Create, update or delete the objects for these backends."""

    @abstractmethod
    def remove(self, key: Key) -> None:
        """Remove the objects of a deleted Service."""


class EndpointsController(_ServiceController):
    """Creates the Endpoints object of a Service."""

    name = "endpoint-controller"

    def write(self, key: Key, service: Object, found: list[Backend]) -> None:
        """Create or update the Endpoints object, which has the name of the Service."""
        labels = {**labels_of(service), "endpoints.kubernetes.io/managed-by": self.name, **headless_label(service)}
        wanted: Object = {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": key[1], "labels": labels, "annotations": self._triggered()},
            "subsets": subsets(service, found),
        }
        live = self.registry.find("endpoints", *key)
        if live is None:
            self.registry.create("endpoints", key[0], wanted, manager=self.manager)
        elif live.get("subsets", []) != wanted["subsets"] or labels_of(live) != labels:
            annotations = annotations_of(live) | self._triggered()
            metadata = {**live["metadata"], "labels": labels, "annotations": annotations}
            changed = {**live, "metadata": metadata, "subsets": wanted["subsets"]}
            self.registry.update("endpoints", key[0], changed, manager=self.manager)

    def remove(self, key: Key) -> None:
        """Delete the Endpoints object: it has no owner reference."""
        if self.registry.find("endpoints", *key) is not None:
            self.registry.delete("endpoints", *key)


class EndpointSliceController(_ServiceController):
    """Creates the EndpointSlices of a Service, one per set of port numbers."""

    name = "endpoint-slice-controller"

    def write(self, key: Key, service: Object, found: list[Backend]) -> None:
        """Update the existing slices, create missing ones, delete the rest."""
        owned = {SERVICE_NAME_LABEL: key[1], MANAGED_BY: SLICE_MANAGER}
        live = self.registry.list("endpointslices.discovery.k8s.io", key[0], labels=owned)
        for wanted, old in itertools.zip_longest(slices(service, found), live):
            if wanted is None:
                self._delete(old)
            elif old is None:
                self._create(key, service, wanted)
            else:
                self._update(key, service, wanted, old)

    def _create(self, key: Key, service: Object, wanted: Object) -> None:
        metadata = {
            "generateName": f"{key[1]}-",
            "labels": slice_labels(service),
            "annotations": self._triggered(),
            "ownerReferences": [owner_reference(service)],
        }
        obj = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            **wanted,
        }
        self.registry.create("endpointslices.discovery.k8s.io", key[0], obj, manager=self.manager)

    def _update(self, key: Key, service: Object, wanted: Object, old: Object) -> None:
        labels = slice_labels(service)
        same = all(old.get(field) == wanted[field] for field in ("endpoints", "ports"))
        if not same or labels_of(old) != labels:
            annotations = annotations_of(old) | self._triggered()
            changed = {**old, **wanted, "metadata": {**old["metadata"], "labels": labels, "annotations": annotations}}
            self.registry.update("endpointslices.discovery.k8s.io", key[0], changed, manager=self.manager)

    def _delete(self, old: Object) -> None:
        metadata = old["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        self.registry.delete("endpointslices.discovery.k8s.io", namespace, name, uid=metadata["uid"])

    def remove(self, key: Key) -> None:
        """Do nothing: the Service owns the slices, so garbage collection deletes them."""
