"""A node that reports its pods as Ready without running processes, so that tests can have thousands of pods.

If the cluster has a map of images, pods of other images wait in ImagePullBackOff, as on a node that runs pods.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Self

from localkube.apiserver.logs import PodLogOptions
from localkube.meta import status
from localkube.meta.objects import is_deleting, timestamp
from localkube.meta.pods import is_finished
from localkube.meta.status import ApiError, Object
from localkube.node import node_object, state
from localkube.node.machine import Machine


def _completes(pod: Object) -> bool:
    """Whether the pod completes, like one of a Job."""
    return bool(pod["spec"].get("restartPolicy", state.RESTART_ALWAYS) != state.RESTART_ALWAYS)


def _running(spec: Object, now: float) -> state.ContainerState:
    return state.ContainerState(spec, state=state.running(now), ready=True, started=True, container_id="local://0")


def _completed(spec: Object, now: float) -> state.ContainerState:
    ended = state.terminated(0, timestamp(now), now)
    return state.ContainerState(spec, state=ended, container_id="local://0")


class StandInNode:
    """Reports the pods that are bound to it as Ready, or as completed if their containers end; removes deleted pods."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._stop: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        machine = self._machine
        node_object.register(machine.registry, machine)
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
        ready = [self._container(pod, spec, now) for spec in pod["spec"]["containers"]]
        address = machine.addresses.allocate(pod["metadata"]["uid"])
        found = state.pod_status(pod, [], ready, (address, machine.addresses.node), now)
        with suppress(ApiError):  # the pod was changed or removed meanwhile; its event follows
            namespace = pod["metadata"]["namespace"]
            changed = {**pod, "status": found}
            machine.registry.update("pods", namespace, changed, manager=node_object.MANAGER, subresource="status")

    def _container(self, pod: Object, spec: Object, now: float) -> state.ContainerState:
        if not self._machine.images.has(spec["image"]):
            why = f'Back-off pulling image "{spec["image"]}": it is not in the map of images of this local cluster'
            return state.ContainerState(spec, state=state.waiting("ImagePullBackOff", why))
        return _completed(spec, now) if _completes(pod) else _running(spec, now)

    def _remove(self, pod: Object) -> None:
        metadata = pod["metadata"]
        with suppress(ApiError):
            self._machine.registry.delete("pods", metadata["namespace"], metadata["name"], uid=metadata["uid"], grace=0)

    async def logs(self, pod: Object, _options: PodLogOptions) -> AsyncIterator[bytes]:
        """Raise ApiError 400, because no process runs."""
        raise status.bad_request(f'pod "{pod["metadata"]["name"]}" is a stand-in: it runs nothing and has no log')
