"""ReplicaSet → Pods."""

from localkube.apiserver.status import ApiError, Object
from localkube.controllers.controller import Controller
from localkube.controllers.objects import (
    Key,
    annotations_of,
    controller_of,
    is_deleting,
    labels_of,
    owner_reference,
    timestamp,
    with_condition,
)
from localkube.controllers.ownership import claim
from localkube.controllers.pods import available_in, deletion_rank, is_active, is_finished, is_ready
from localkube.controllers.selection import SelectorIndex, selector_of

BURST = 500  # pods created or deleted in one pass


def surplus(pods: list[Object], wanted: int) -> list[Object]:
    """The pods to delete so that `wanted` stay."""
    return sorted(pods, key=deletion_rank)[: max(len(pods) - wanted, 0)]


def pod_of(replicaset: Object) -> Object:
    """A pod by the template of a ReplicaSet."""
    template = replicaset["spec"]["template"]
    metadata: Object = {
        "generateName": f"{replicaset['metadata']['name']}-",
        "labels": labels_of(template) if "metadata" in template else {},
        "ownerReferences": [owner_reference(replicaset)],
    }
    if template.get("metadata", {}).get("annotations"):
        metadata["annotations"] = annotations_of(template)
    if template.get("metadata", {}).get("finalizers"):
        metadata["finalizers"] = template["metadata"]["finalizers"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def status_of(replicaset: Object, claimed: list[Object], failure: str, now: float) -> Object:
    """The status that the pods of a ReplicaSet give; `failure` is why one could not be created."""
    pods = [pod for pod in claimed if is_active(pod)]
    wanted = labels_of(replicaset["spec"]["template"])
    minimum = replicaset["spec"].get("minReadySeconds", 0)
    status: Object = {
        "replicas": len(pods),
        "fullyLabeledReplicas": sum(wanted.items() <= labels_of(p).items() for p in pods),
        "readyReplicas": sum(is_ready(p) for p in pods),
        "availableReplicas": sum(available_in(p, minimum, now) == 0 for p in pods),
        "terminatingReplicas": sum(is_deleting(p) and not is_finished(p) for p in claimed),
        "observedGeneration": replicaset["metadata"].get("generation", 1),
    }
    conditions = [c for c in replicaset.get("status", {}).get("conditions") or () if c["type"] != "ReplicaFailure"]
    if failure:
        failed = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failure}
        old = replicaset.get("status", {}).get("conditions")
        conditions = with_condition(old, {**failed, "lastTransitionTime": timestamp(now)})
    if conditions:
        status["conditions"] = conditions
    return {k: v for k, v in status.items() if v or k in ("replicas", "observedGeneration", "terminatingReplicas")}


class ReplicaSetController(Controller):
    """Keeps as many pods as `spec.replicas` says."""

    name = "replicaset-controller"

    def start(self) -> None:
        """Watch ReplicaSets, and pods for their controllers or, when they have none, for who would adopt them."""
        self._selectors = SelectorIndex()
        self._queue_controller = self.enqueue_controller("ReplicaSet")
        self.watch("replicasets.apps", self._on_replicaset)
        self.watch("pods", self._on_pod)

    def _on_replicaset(self, event: str, replicaset: Object) -> None:
        self.enqueue(event, replicaset)
        key = replicaset["metadata"]["namespace"], replicaset["metadata"]["name"]
        if event == "DELETED":
            self._selectors.drop(key)
        else:
            self._selectors.put(key, selector_of(replicaset["spec"]["selector"]))

    def _on_pod(self, event: str, pod: Object) -> None:
        affected = self._selectors.affected(event, pod)
        if controller_of(pod) is not None:
            self._queue_controller(event, pod)
            return
        for key in affected:
            self.queue.add(key)

    def reconcile(self, key: Key) -> float | None:
        """Create or delete pods, then say how many there are."""
        replicaset = self.registry.find("replicasets.apps", *key)
        if replicaset is None:
            return None
        failure = ""
        if not is_deleting(replicaset):
            failure = self._scale(replicaset)
        pods = claim(self.registry, replicaset, "pods", self.manager)
        self._report(key, replicaset, status_of(replicaset, pods, failure, self.clock()))
        if failure:
            raise RetryError(failure)
        return self._next_available(replicaset, [pod for pod in pods if is_active(pod)])

    def _scale(self, replicaset: Object) -> str:
        pods = [p for p in claim(self.registry, replicaset, "pods", self.manager) if is_active(p)]
        wanted = replicaset["spec"].get("replicas", 1)
        for pod in surplus(pods, wanted)[:BURST]:
            self._delete(replicaset, pod)
        for _ in range(min(wanted - len(pods), BURST)):
            failure = self._create(replicaset)
            if failure:
                return failure
        return ""

    def _create(self, replicaset: Object) -> str:
        namespace = replicaset["metadata"]["namespace"]
        try:
            pod = self.registry.create("pods", namespace, pod_of(replicaset), manager=self.manager)
        except ApiError as error:
            self.events.warning(replicaset, "FailedCreate", f"Error creating: {error}")
            return str(error)
        self.events.normal(replicaset, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        return ""

    def _delete(self, replicaset: Object, pod: Object) -> None:
        metadata = pod["metadata"]
        self.registry.delete("pods", metadata["namespace"], metadata["name"], uid=metadata["uid"])
        self.events.normal(replicaset, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    def _report(self, key: Key, replicaset: Object, status: Object) -> None:
        if status != replicaset.get("status"):
            self.registry.update(
                "replicasets.apps",
                key[0],
                {**replicaset, "status": status},
                manager=self.manager,
                subresource="status",
            )

    def _next_available(self, replicaset: Object, pods: list[Object]) -> float | None:
        minimum = replicaset["spec"].get("minReadySeconds", 0)
        waits = [wait for p in pods if (wait := available_in(p, minimum, self.clock()))]
        return min(waits, default=None)


class RetryError(ApiError):
    """A pod could not be created: to be tried again with back-off."""

    def __init__(self, message: str) -> None:
        super().__init__({"message": message, "code": 500})
