"""The EndpointSlice controller: publishes the addresses of the pods that a Service selects."""

import itertools

from localkube.controllers import endpoint_slices
from localkube.controllers.controller import Context, Controller
from localkube.controllers.endpoint_slices import MANAGED_BY, SLICE_MANAGER, TRIGGERED, PortLookup
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

RESOURCE = "endpointslices.discovery.k8s.io"


def _selector(service: Object) -> dict[str, str] | None:
    """The selector of a Service; None if users manage its endpoints themselves."""
    if service["spec"].get("type") == "ExternalName":
        return None
    return service["spec"].get("selector") or None


class EndpointSliceController(Controller):
    """Keeps the EndpointSlices of Services, one per set of port numbers."""

    name = "endpoint-slice-controller"

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
        """Update the existing slices, create missing ones, delete the rest.

        Garbage collection deletes the slices of a deleted Service, which owns them.
        """
        service = self.registry.find("services", *key)
        selector = None if service is None else _selector(service)
        if service is None or selector is None or is_deleting(service):
            return None
        pods = select(self.registry, "pods", key[0], LabelSelector.equal(selector))
        desired = endpoint_slices.slices(service, endpoint_slices.backends(service, pods, self._lookup))
        owned = {SERVICE_NAME_LABEL: key[1], MANAGED_BY: SLICE_MANAGER}
        live = self.registry.list(RESOURCE, key[0], labels=owned)
        for new, old in itertools.zip_longest(desired, live):
            if new is None:
                self._delete(old)
            elif old is None:
                self._create(key, service, new)
            else:
                self._update(key, service, new, old)
        return None

    def _trigger_time(self) -> dict[str, str]:
        return {TRIGGERED: timestamp(self.clock())}

    def _create(self, key: Key, service: Object, new: Object) -> None:
        metadata = {
            "generateName": f"{key[1]}-",
            "labels": endpoint_slices.labels(service),
            "annotations": self._trigger_time(),
            "ownerReferences": [owner_reference(service)],
        }
        head = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata}
        self.registry.create(RESOURCE, key[0], {**head, "addressType": "IPv4", **new}, manager=self.manager)

    def _update(self, key: Key, service: Object, new: Object, old: Object) -> None:
        labels = endpoint_slices.labels(service)
        same = all(old.get(field) == new[field] for field in ("endpoints", "ports"))
        if not same or labels_of(old) != labels:
            annotations = annotations_of(old) | self._trigger_time()
            changed = {**old, **new, "metadata": {**old["metadata"], "labels": labels, "annotations": annotations}}
            self.registry.update(RESOURCE, key[0], changed, manager=self.manager)

    def _delete(self, old: Object) -> None:
        metadata = old["metadata"]
        self.registry.delete(RESOURCE, metadata["namespace"], metadata["name"], uid=metadata["uid"])
