"""The node of the local cluster, with pods whose spec decides their simulated behaviour."""

from contextlib import suppress

from localkube.meta.status import ApiError, Object
from localkube.node import node_object
from localkube.node.stand_in import StandInNode
from tests.stand_in import pods


class PlayingNode(StandInNode):
    """Pods fail or end with a report as in tests.stand_in.pods."""

    def _make_ready(self, pod: Object) -> None:
        machine = self._machine
        changed = {**pod, "status": pods.status(pod, machine.addresses.allocate(pod["metadata"]["uid"]))}
        with suppress(ApiError):  # changed or deleted meanwhile: its event follows
            space = pod["metadata"]["namespace"]
            machine.registry.update("pods", space, changed, manager=node_object.MANAGER, subresource="status")

    def _remove(self, pod: Object) -> None:
        space = pod["metadata"]["namespace"]
        changed = {**pod, "status": pods.ended(pod)}
        with suppress(ApiError):
            self._machine.registry.update("pods", space, changed, manager=node_object.MANAGER, subresource="status")
        super()._remove(pod)
