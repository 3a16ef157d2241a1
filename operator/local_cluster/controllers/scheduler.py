"""Pods → the one node there is."""

from local_cluster.controllers.controller import Context, Controller
from local_cluster.controllers.objects import Key, is_deleting, key_of, labels_of
from local_cluster.controllers.pods import is_finished
from local_cluster.controllers.selection import selector_of
from local_cluster.status import Object


def unmet(pod: Object, node: Object) -> str:
    """What a pod demands of its node that this one has not; "" when all is met.

    Only nodeSelector and required node affinity are looked at: neighbours cannot be avoided on a single node.
    """
    spec = pod["spec"]
    selector = spec.get("nodeSelector") or {}
    if not selector.items() <= labels_of(node).items():
        return "nodeSelector"
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required and not any(_term_matches(term, node) for term in required.get("nodeSelectorTerms") or ()):
        return "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
    return ""


def _term_matches(term: Object, node: Object) -> bool:
    if any(e["operator"] in ("Gt", "Lt") for e in term.get("matchExpressions") or ()):
        return False
    if not selector_of({"matchExpressions": term.get("matchExpressions")}).matches(node):
        return False
    named = [{**e, "key": "name"} for e in term.get("matchFields") or ()]
    return selector_of({"matchExpressions": named}).matches(
        {"metadata": {"labels": {"name": node["metadata"]["name"]}}}
    )


class Scheduler(Controller):
    """Binds every pod to the node, even one that demands what the node has not: a laptop has no second node."""

    name = "default-scheduler"
    manager = "kube-scheduler"

    def __init__(self, context: Context, node: str) -> None:
        super().__init__(context)
        self._node = node

    def start(self) -> None:
        """Watch pods, and the node, which may be cordoned."""
        self._waiting: set[Key] = set()
        self.watch("pods", self._on_pod)
        self.watch("nodes", self._on_node)

    def _on_pod(self, event: str, pod: Object) -> None:
        if event == "DELETED" or pod["spec"].get("nodeName"):
            self._waiting.discard(key_of(pod))
        else:
            self.enqueue(event, pod)

    def _on_node(self, _event: str, _node: Object) -> None:
        for key in self._waiting:
            self.queue.add(key)

    def reconcile(self, key: Key) -> float | None:
        """Bind one pod."""
        pod = self.registry.find("pods", *key)
        if pod is None or pod["spec"].get("nodeName") or is_deleting(pod) or is_finished(pod):
            self._waiting.discard(key)
            return None
        if pod["spec"].get("schedulerName", self.name) != self.name or pod["spec"].get("schedulingGates"):
            return None
        node = self.registry.find("nodes", "", self._node)
        if node is None or node["spec"].get("unschedulable"):
            self._wait(key, pod)
            return None
        self._bind(key, pod, node)
        return None

    def _wait(self, key: Key, pod: Object) -> None:
        if key not in self._waiting:
            self.events.warning(pod, "FailedScheduling", "0/1 nodes are available: 1 node(s) were unschedulable.")
        self._waiting.add(key)

    def _bind(self, key: Key, pod: Object, node: Object) -> None:
        self._waiting.discard(key)
        lacking = unmet(pod, node)
        if lacking:
            message = f"spec.{lacking} is not met by {self._node}, the only node, which takes the pod all the same"
            self.events.warning(pod, "AffinityIgnored", message)
        bound = {**pod, "spec": {**pod["spec"], "nodeName": self._node}}
        self.registry.update("pods", key[0], bound, manager=self.manager)
        self.events.normal(pod, "Scheduled", f"Successfully assigned {key[0]}/{key[1]} to {self._node}")
