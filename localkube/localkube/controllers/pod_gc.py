"""The pod garbage collector: deletes pods of nodes that do not exist, which no kubelet would ever end."""

from localkube.apiserver.options import DeleteOptions
from localkube.controllers.controller import Context, Controller
from localkube.meta.objects import Key, key_of
from localkube.meta.status import Object

# Seconds after which a node that does not exist is regarded as deleted.
QUARANTINE = 40.0


class PodGarbageCollector(Controller):
    """Deletes pods that are bound to a node that does not exist. `node` exists even if it has no object."""

    name = "pod-garbage-collector"

    def __init__(self, context: Context, node: str) -> None:
        super().__init__(context)
        self._node = node

    def start(self) -> None:
        """Watch pods."""
        self._since: dict[Key, float] = {}
        self.watch("pods", self._on_pod)

    def _on_pod(self, event: str, pod: Object) -> None:
        if event == "DELETED":
            self._since.pop(key_of(pod), None)
        elif self._is_orphan(pod):
            self.enqueue(event, pod)

    def reconcile(self, key: Key) -> float | None:
        """Delete a pod whose node has been missing for long enough."""
        pod = self.registry.find("pods", *key)
        if pod is None or not self._is_orphan(pod):
            self._since.pop(key, None)
            return None
        left = self._since.setdefault(key, self.clock()) + QUARANTINE - self.clock()
        if left > 0:
            return left
        resource = self.registry.resource("pods")
        record = self.registry.writer.live(resource, *key)
        self.registry.remove(resource, record, DeleteOptions(uid=pod["metadata"]["uid"], grace=0))
        return None

    def _is_orphan(self, pod: Object) -> bool:
        name = pod["spec"].get("nodeName", "")
        return bool(name) and name != self._node and self.registry.find("nodes", "", name) is None
