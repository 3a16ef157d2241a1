"""Pods → the one node there is, where they fit."""

from decimal import Decimal

from localkube.controllers.controller import Context, Controller
from localkube.controllers.fitting import Amounts, has_neighbours, misfit, requests
from localkube.meta.objects import Key, find_condition, is_deleting, key_of, timestamp, with_condition
from localkube.meta.pods import is_finished
from localkube.meta.status import Object


class Placed:
    """The pods on the node, and what they take of it."""

    def __init__(self) -> None:
        self.used: dict[str, Decimal] = {}
        self._pods: dict[Key, tuple[Object, Amounts]] = {}
        self._particular = 0  # pods that say who their neighbours may be

    def put(self, pod: Object) -> bool:
        """Count a pod, once; whether it is new here."""
        key = key_of(pod)
        if key in self._pods:
            return False
        self._pods[key] = pod, requests(pod)
        self._count(key, 1)
        return True

    def drop(self, key: Key) -> bool:
        """Forget a pod; whether it was there."""
        found = key in self._pods
        if found:
            self._count(key, -1)
            del self._pods[key]
        return found

    def _count(self, key: Key, sign: int) -> None:
        pod, amounts = self._pods[key]
        for name, amount in amounts.items():
            self.used[name] = self.used.get(name, Decimal(0)) + sign * amount
        self._particular += sign * has_neighbours(pod)

    def concerning(self, pod: Object) -> list[Object]:
        """The pods that the placing of another has to look at."""
        if not self._particular and not has_neighbours(pod):
            return []
        return [found for found, _ in self._pods.values()]


class Scheduler(Controller):
    """Binds every pod that fits the node to it, and says of the others why they do not."""

    name = "default-scheduler"
    manager = "kube-scheduler"

    def __init__(self, context: Context, node: str) -> None:
        super().__init__(context)
        self._node = node

    def start(self) -> None:
        """Watch pods, and the node, which may change its labels, its taints and its size."""
        self._waiting: dict[Key, None] = {}
        self._placed = Placed()
        self.watch("pods", self._on_pod)
        self.watch("nodes", self._on_node)

    def _on_pod(self, event: str, pod: Object) -> None:
        key = key_of(pod)
        if event == "DELETED" or is_finished(pod):
            self._waiting.pop(key, None)
            if self._placed.drop(key):
                self._retry()
        elif pod["spec"].get("nodeName"):
            self._waiting.pop(key, None)
            here = pod["spec"]["nodeName"] == self._node and self._placed.put(pod)
            if here and any(map(has_neighbours, self._found())):
                self._retry()  # this may be the neighbour that one of them waits for
        else:
            self.enqueue(event, pod)

    def _found(self) -> list[Object]:
        """The pods that wait."""
        found = (self.registry.find("pods", *key) for key in self._waiting)
        return [pod for pod in found if pod is not None]

    def _on_node(self, _event: str, _node: Object) -> None:
        self._retry()

    def _retry(self) -> None:
        for key in self._waiting:
            self.queue.add(key)

    def reconcile(self, key: Key) -> float | None:
        """Bind one pod."""
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
        found = misfit(pod, node, self._placed.used, self._placed.concerning(pod))
        if found is None:
            self._bind(pod)
        else:
            self._wait(pod, found.message)
        return None

    def _wait(self, pod: Object, message: str) -> None:
        """Say why a pod waits; once for each reason."""
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
