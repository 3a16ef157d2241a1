"""The ReplicaSet controller: creates and deletes pods."""

from localkube.controllers.ownership import claim
from localkube.controllers.pod_owner import BURST, PodOwnerController, RetryError, pod_from_template, surplus
from localkube.meta.objects import (
    Key,
    is_deleting,
    labels_of,
    timestamp,
    with_condition,
)
from localkube.meta.pods import available_in, is_active, is_finished, is_ready
from localkube.meta.status import Object


def status_of(replicaset: Object, claimed: list[Object], failure: str, now: float) -> Object:
    """The status of a ReplicaSet, given its pods; `failure` is why a creation failed, or ""."""
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


class ReplicaSetController(PodOwnerController):
    """Keeps `spec.replicas` pods."""

    name = "replicaset-controller"
    resource = "replicasets.apps"
    kind = "ReplicaSet"

    def reconcile(self, key: Key) -> float | None:
        """Create or delete pods, then update the status."""
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
            self.delete_pod(replicaset, pod)
        for _ in range(min(wanted - len(pods), BURST)):
            failure = self.create_pod(replicaset, pod_from_template(replicaset))
            if failure:
                return failure
        return ""

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
