"""A node for measuring: its pods are Ready at once and nothing runs, so that thousands of them cost little."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Self

from local_cluster import status
from local_cluster.controllers.objects import is_deleting
from local_cluster.controllers.pods import is_finished
from local_cluster.node import node_object, state
from local_cluster.node.machine import Machine
from local_cluster.status import ApiError, Object


class StandInNode:
    """Says of every pod bound to it that it is Ready, and removes what is to go."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._stop: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        machine = self._machine
        node_object.register(machine.registry, machine.name, machine.addresses.node, machine.clock())
        self._stop = machine.registry.subscribe("pods", self._on_pod)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop()

    def _on_pod(self, event: str, pod: Object) -> None:
        if pod["spec"].get("nodeName") != self._machine.name:
            return
        if event == "DELETED":
            self._machine.addresses.release(pod["metadata"]["uid"])
        elif is_deleting(pod):
            asyncio.get_running_loop().call_soon(self._remove, pod)
        elif not pod.get("status", {}).get("podIP") and not is_finished(pod):
            asyncio.get_running_loop().call_soon(self._make_ready, pod)

    def _make_ready(self, pod: Object) -> None:
        machine = self._machine
        now = machine.clock()
        ready = [
            state.ContainerState(spec, state=state.running(now), ready=True, started=True, container_id="local://0")
            for spec in pod["spec"]["containers"]
        ]
        address = machine.addresses.allocate(pod["metadata"]["uid"])
        found = state.pod_status(pod, [], ready, (address, machine.addresses.node), now)
        with suppress(ApiError):  # changed or gone meanwhile: its event has come
            namespace = pod["metadata"]["namespace"]
            changed = {**pod, "status": found}
            machine.registry.update("pods", namespace, changed, manager=node_object.MANAGER, subresource="status")

    def _remove(self, pod: Object) -> None:
        metadata = pod["metadata"]
        with suppress(ApiError):
            self._machine.registry.delete("pods", metadata["namespace"], metadata["name"], uid=metadata["uid"], grace=0)

    async def logs(  # noqa: PLR0913 (the query of `kubectl logs`)
        self,
        pod: Object,
        container: str,
        *,
        previous: bool,
        follow: bool,
        tail: int | None,
        since: float | None,
        timestamps: bool,
    ) -> AsyncIterator[bytes]:
        """ApiError 400: nothing runs."""
        del container, previous, follow, tail, since, timestamps
        raise status.bad_request(f'pod "{pod["metadata"]["name"]}" is a stand-in: it runs nothing and has no log')
