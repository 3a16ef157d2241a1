"""The scheduler: binds pods to the one node."""

from decimal import Decimal

from localkube.controllers.controller import Context, Controller
from localkube.controllers.fitting import Amounts, check_fit, total_requests
from localkube.meta.objects import Key, find_condition, is_deleting, key_of, timestamp, with_condition
from localkube.meta.pods import is_finished
from localkube.meta.status import Object


class AssignedPods:
    """The pods on the node, and the sum of their requests."""

    def __init__(self) -> None:
        self.used: dict[str, Decimal] = {}
        self._requests: dict[Key, Amounts] = {}

    def add(self, pod: Object) -> None:
        """Count a pod, unless it is counted."""
        key = key_of(pod)
        if key not in self._requests:
            self._requests[key] = total_requests(pod)
            self._count(key, 1)

    def remove(self, key: Key) -> bool:
        """Remove a pod; returns whether it was counted."""
        if key not in self._requests:
            return False
        self._count(key, -1)
        del self._requests[key]
        return True

    def _count(self, key: Key, sign: int) -> None:
        for name, amount in self._requests[key].items():
            self.used[name] = self.used.get(name, Decimal(0)) + sign * amount


class Scheduler(Controller):
    """Binds pods that fit the node, and reports for others why they do not fit."""

    name = "default-scheduler"
    manager = "kube-scheduler"

    def __init__(self, context: Context, node: str) -> None:
        super().__init__(context)
        self._node = node

    def start(self) -> None:
        """Watch pods, and the node, whose labels, taints and capacity may change."""
        self._waiting: dict[Key, None] = {}
        self._assigned = AssignedPods()
        self.watch("pods", self._on_pod)
        self.watch("nodes", self._on_node)

    def _on_pod(self, event: str, pod: Object) -> None:
        key = key_of(pod)
        if event == "DELETED" or is_finished(pod):
            self._waiting.pop(key, None)
            if self._assigned.remove(key):
                self._retry()
        elif pod["spec"].get("nodeName"):
            self._waiting.pop(key, None)
            if pod["spec"]["nodeName"] == self._node:
                self._assigned.add(pod)
        else:
            self.enqueue(event, pod)

    def _on_node(self, _event: str, _node: Object) -> None:
        self._retry()

    def _retry(self) -> None:
        for key in self._waiting:
            self.queue.add(key)

    def reconcile(self, key: Key) -> float | None:
        """Bind a pod, or report why it does not fit."""
        pod = self.registry.find("pods", *key)
        if pod is None or pod["spec"].get("nodeName") or is_deleting(pod) or is_finished(pod):
            self._waiting.pop(key, None)
            return None
        if pod["spec"].get("schedulerName", self.name) != self.name or pod["spec"].get("schedulingGates"):
            return None
        node = self.registry.find("nodes", "", self._node)
        if node is None:
            self._wait(pod, "no nodes available to schedule pods")
            return None
        found = check_fit(pod, node, self._assigned.used)
        if found is None:
            self._bind(pod)
        else:
            self._wait(pod, found.message)
        return None

    def _wait(self, pod: Object, message: str) -> None:
        """Report why a pod waits, once for each message."""
        self._waiting.setdefault(key_of(pod))
        known = find_condition(pod.get("status", {}).get("conditions"), "PodScheduled")
        if known is not None and known.get("message") == message:
            return
        self.events.warning(pod, "FailedScheduling", message)
        new = {
            "type": "PodScheduled",
            "status": "False",
            "observedGeneration": pod["metadata"].get("generation", 1),
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(self.clock()),
        }
        status = pod.get("status", {})
        changed = {**pod, "status": {**status, "conditions": with_condition(status.get("conditions"), new)}}
        self.registry.update("pods", key_of(pod)[0], changed, manager=self.manager, subresource="status")

    def _bind(self, pod: Object) -> None:
        namespace, name = key_of(pod)
        self._waiting.pop((namespace, name), None)
        bound = {**pod, "spec": {**pod["spec"], "nodeName": self._node}}
        self.registry.update("pods", namespace, bound, manager=self.manager)
        self.events.normal(pod, "Scheduled", f"Successfully assigned {namespace}/{name} to {self._node}")
