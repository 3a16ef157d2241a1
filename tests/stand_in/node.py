"""The local cluster's node, with pods that do what the spec says that they do."""

from contextlib import suppress

from localkube.meta.status import ApiError, Object
from localkube.node import node_object
from localkube.node.stand_in import StandInNode
from tests.stand_in import pods


class PlayingNode(StandInNode):
    """Some pods fail, or end with a report, as tests.stand_in.pods tells."""

    def _make_ready(self, pod: Object) -> None:
        machine = self._machine
        changed = {**pod, "status": pods.status(pod, machine.addresses.allocate(pod["metadata"]["uid"]))}
        with suppress(ApiError):  # changed or gone meanwhile: its event has come
            space = pod["metadata"]["namespace"]
            machine.registry.update("pods", space, changed, manager=node_object.MANAGER, subresource="status")

    def _remove(self, pod: Object) -> None:
        space = pod["metadata"]["namespace"]
        changed = {**pod, "status": pods.ended(pod)}
        with suppress(ApiError):
            self._machine.registry.update("pods", space, changed, manager=node_object.MANAGER, subresource="status")
        super()._remove(pod)
