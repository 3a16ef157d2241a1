"""The node: runs the pods that are bound to it, and removes pods that are being deleted."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Self

from localkube.apiserver.logs import PodLogOptions
from localkube.meta import status
from localkube.meta.objects import is_deleting
from localkube.meta.pods import is_finished
from localkube.meta.status import ApiError, Object
from localkube.node import execution, guard, logs, node_object
from localkube.node.errors import StartError
from localkube.node.machine import Machine
from localkube.node.paths import PodDirectory
from localkube.node.pod import Pod

SHUTDOWN_GRACE = 10.0  # limit in seconds for the grace period of pods when the cluster shuts down


class Node:
    """An async context manager that runs pods. It is also the source of logs."""

    def __init__(self, machine: Machine, shutdown_grace: float = SHUTDOWN_GRACE) -> None:
        self._machine = machine
        self._shutdown_grace = shutdown_grace
        self._pods: dict[str, Pod] = {}
        self._ending: set[str] = set()
        self._users: dict[tuple[str, str, str], set[str]] = {}  # ConfigMap or Secret → uids of pods
        self._tasks: set[asyncio.Task[None]] = set()
        self._stops: list[Callable[[], None]] = []

    async def __aenter__(self) -> Self:
        machine = self._machine
        machine.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        guard.end_leftovers(machine.root)
        self._remove_leftovers()
        machine.guard.start()
        node_object.register(machine.registry, machine)
        for resource in ("configmaps", "secrets"):
            self._watch(resource, self._on_configuration(resource))
        self._watch("pods", self._on_pod)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the processes. The pod objects are not changed."""
        for stop in self._stops:
            stop()
        ends = [pod.terminate(self._shutdown_grace) for uid, pod in self._pods.items() if uid not in self._ending]
        await asyncio.gather(*ends, return_exceptions=True)
        if self._tasks:  # some pods were already terminating before the shutdown
            await asyncio.wait(self._tasks, timeout=self._shutdown_grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(pod.kill() for pod in self._pods.values()), return_exceptions=True)
        self._machine.guard.close()

    def _remove_leftovers(self) -> None:
        """Remove the directories of pods of an earlier cluster."""
        for directory in self._machine.root.iterdir():
            shutil.rmtree(directory, ignore_errors=True)

    def _watch(self, resource: str, callback: Callable[[str, Object], None]) -> None:
        self._stops.append(self._machine.registry.subscribe(resource, callback))

    def _on_configuration(self, resource: str) -> Callable[[str, Object], None]:
        def callback(event: str, obj: Object) -> None:
            metadata = obj["metadata"]
            for uid in self._users.get((resource, metadata["namespace"], metadata["name"]), ()):
                if event != "DELETED":
                    self._soon(self._pods[uid].configuration_changed)

        return callback

    def _on_pod(self, event: str, pod: Object) -> None:
        if pod["spec"].get("nodeName") != self._machine.name:
            return
        uid = pod["metadata"]["uid"]
        if event == "DELETED":
            self._soon(lambda: self._forget(uid))
            return
        if uid in self._pods:
            self._pods[uid].update(pod)
        elif not is_finished(pod) and not is_deleting(pod):
            self._begin(uid, pod)
        if is_deleting(pod) and uid not in self._ending:
            self._ending.add(uid)
            self._soon(lambda: self._spawn(self._terminate(pod)))

    @staticmethod
    def _soon(work: Callable[[], object]) -> None:
        """Run `work` after the current callback. The store calls back during a write, and a callback must not write."""
        asyncio.get_running_loop().call_soon(work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, uid: str, pod: Object) -> None:
        runner = self._pods[uid] = Pod(self._machine, pod)
        for reference in runner.references:
            self._users.setdefault(reference, set()).add(uid)
        self._soon(runner.start)

    async def _terminate(self, pod: Object) -> None:
        """Stop a pod that is being deleted, then remove the object."""
        metadata = pod["metadata"]
        runner = self._pods.get(metadata["uid"])
        if runner is not None:
            await runner.terminate()
        with suppress(ApiError):  # the pod was removed meanwhile
            self._machine.registry.delete("pods", metadata["namespace"], metadata["name"], uid=metadata["uid"], grace=0)

    def _forget(self, uid: str) -> None:
        """Kill the remaining processes of a pod whose object was removed."""
        self._ending.discard(uid)
        runner = self._pods.pop(uid, None)
        if runner is None:
            return
        for reference in runner.references:
            users = self._users.get(reference, set())
            users.discard(uid)
            if not users:
                self._users.pop(reference, None)
        self._spawn(self._clean(runner))

    @staticmethod
    async def _clean(runner: Pod) -> None:
        await runner.kill()
        runner.clean()

    async def execute(self, pod: Object, container: str, command: Sequence[str]) -> asyncio.subprocess.Process:
        """Start a command in a container. Raises ApiError 500 if either does not run."""
        runner = self._pods.get(pod["metadata"]["uid"])
        found = runner.container(container) if runner else None
        running = found.running if found else None
        if found is None or running is None or not command:
            raise status.internal("error executing command in container: container not running")
        try:
            return await execution.start(self._machine.images.get(found.state.spec["image"]), running, command)
        except StartError as error:
            raise status.internal(f"error executing command in container: {error}") from error

    async def logs(self, pod: Object, options: PodLogOptions) -> AsyncIterator[bytes]:
        """The log of a container in chunks. Raises ApiError 400 when it has none."""
        container, previous = options.container, options.previous
        runner = self._pods.get(pod["metadata"]["uid"])
        found = runner.container(container) if runner else None
        name = pod["metadata"]["name"]
        if found is None:
            raise status.bad_request(f'container "{container}" in pod "{name}" is not available')
        shown = found.state.status()
        directory = PodDirectory(self._machine.root / pod["metadata"]["uid"])
        path = directory.log(container, shown["restartCount"] - (1 if previous else 0))
        if not path.exists():
            if previous:
                raise status.bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
            reason = shown["state"].get("waiting", {}).get("reason", "ContainerCreating")
            raise status.bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')
        log = found.log
        writer = log if options.follow and not previous and log and log.path == path else None
        return logs.read(path, writer, options)
