"""What the ReplicaSet and the Job controller share: they own pods, adopt orphans, and create and delete pods."""

from localkube.controllers.controller import Controller
from localkube.controllers.selection import SelectorIndex
from localkube.meta.objects import Key, annotations_of, controller_of, key_of, labels_of, owner_reference
from localkube.meta.pods import deletion_rank
from localkube.meta.selectors import LabelSelector
from localkube.meta.status import ApiError, Object

BURST = 500  # pods created or deleted in one pass


class RetryError(ApiError):
    """A pod could not be created; the controller retries with back-off."""

    def __init__(self, message: str) -> None:
        super().__init__({"message": message, "code": 500})


def surplus(pods: list[Object], replicas: int) -> list[Object]:
    """The pods to delete so that `replicas` remain."""
    return sorted(pods, key=deletion_rank)[: max(len(pods) - replicas, 0)]


def pod_from_template(owner: Object) -> Object:
    """A new pod from the template of a ReplicaSet or Job."""
    template = owner["spec"]["template"]
    metadata: Object = {
        "generateName": f"{owner['metadata']['name']}-",
        "labels": labels_of(template) if "metadata" in template else {},
        "ownerReferences": [owner_reference(owner)],
    }
    if template.get("metadata", {}).get("annotations"):
        metadata["annotations"] = annotations_of(template)
    if template.get("metadata", {}).get("finalizers"):
        metadata["finalizers"] = template["metadata"]["finalizers"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


class PodOwnerController(Controller):
    """Queues an owner when it or one of its pods changes."""

    resource: str  # the resource of the owners, such as `replicasets.apps`
    kind: str  # the kind of the owners, such as `ReplicaSet`

    def start(self) -> None:
        """Watch owners and pods. A pod without a controller queues the owners that may adopt it."""
        self._selectors = SelectorIndex()
        self._queue_controller = self.enqueue_controller(self.kind)
        self.watch(self.resource, self._on_owner)
        self.watch("pods", self._on_pod)

    def _on_owner(self, event: str, owner: Object) -> None:
        self.enqueue(event, owner)
        key = key_of(owner)
        if event == "DELETED":
            self._selectors.drop(key)
        else:
            self._selectors.put(key, LabelSelector.of(owner["spec"]["selector"]))

    def _on_pod(self, event: str, pod: Object) -> None:
        selecting: set[Key] = self._selectors.affected(event, pod)
        if controller_of(pod) is not None:
            self._queue_controller(event, pod)
            return
        for key in selecting:
            self.queue.add(key)

    def create_pod(self, owner: Object, pod: Object) -> str:
        """Create a pod of an owner; returns why that failed, "" when it did not."""
        try:
            created = self.registry.create("pods", owner["metadata"]["namespace"], pod, manager=self.manager)
        except ApiError as error:
            self.events.warning(owner, "FailedCreate", f"Error creating: {error}")
            return str(error)
        self.events.normal(owner, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return ""

    def delete_pod(self, owner: Object, pod: Object) -> None:
        """Delete a pod of an owner."""
        metadata = pod["metadata"]
        self.registry.delete("pods", metadata["namespace"], metadata["name"], uid=metadata["uid"])
        self.events.normal(owner, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")
