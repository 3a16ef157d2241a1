"""The lifecycle of one pod: volumes, init containers in sequence, containers, termination."""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator

from localkube.meta.status import ApiError, Object
from localkube.node import volumes
from localkube.node.container import DEFAULT_GRACE, Container, PodContext
from localkube.node.errors import MountError
from localkube.node.launch import sources_of
from localkube.node.machine import Machine
from localkube.node.paths import PodDirectory
from localkube.node.references import references
from localkube.node.state import ContainerState, pod_status, waiting

MANAGER = "kubelet"


class Pod:
    """Runs one pod."""

    def __init__(self, machine: Machine, pod: Object) -> None:
        self._machine = machine
        self._pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.directory = PodDirectory(machine.root / self.uid)
        address = machine.addresses.allocate(self.uid)
        self._address = (address, machine.addresses.node)
        self._changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pod_context = PodContext(lambda: self._pod, self.directory, self.publish, lambda: self._changed)
        self._init = [Container(machine, pod_context, state) for state in self._states("initContainers")]
        self._main = [Container(machine, pod_context, state) for state in self._states("containers")]
        self._task: asyncio.Task[None] | None = None
        self._flush: asyncio.Handle | None = None
        self._mounted = self._over = False

    def _states(self, field: str) -> Iterator[ContainerState]:
        reason = "PodInitializing" if self._pod["spec"].get("initContainers") else "ContainerCreating"
        for spec in self._pod["spec"].get(field) or ():
            yield ContainerState(spec, is_init=field == "initContainers", state=waiting(reason))

    @property
    def key(self) -> tuple[str, str]:
        """The namespace and name."""
        return self._pod["metadata"]["namespace"], self._pod["metadata"]["name"]

    @property
    def references(self) -> set[tuple[str, str, str]]:
        """(resource, namespace, name) of the ConfigMaps and Secrets to which the pod refers."""
        return {(resource, self.key[0], name) for resource, name in references(self._pod)}

    def container(self, name: str) -> Container | None:
        """The container of a name; None if there is none."""
        return next((c for c in (*self._main, *self._init) if c.state.name == name), None)

    def update(self, pod: Object) -> None:
        """Handle a change of the object."""
        self._pod = pod
        if pod["spec"].get("readinessGates"):
            self.publish()  # another client may have set the condition of a gate

    def configuration_changed(self) -> None:
        """Handle a change of a ConfigMap or Secret: retry waiting starts, and update mounted volumes."""
        self._changed.set_result(None)
        self._changed = asyncio.get_running_loop().create_future()
        if any("running" in c.state.state for c in self._main):
            for volume in self._pod["spec"].get("volumes") or ():
                with contextlib.suppress(MountError):  # keep the old files
                    if any(kind in volume for kind in volumes.LIVE):
                        volumes.mount(self._pod, volume, self.directory, sources_of(self._machine, self._pod))

    def start(self) -> None:
        """Start the pod."""
        self._publish_now()
        self._task = asyncio.create_task(self._run(), name=f"pod {'/'.join(self.key)}")

    async def _run(self) -> None:
        await self._mount()
        async with asyncio.TaskGroup() as group:
            for container in self._init:
                task = group.create_task(container.run())
                if container.state.is_sidecar:
                    await container.started.wait()
                    continue
                await task
                if container.state.exit_code:
                    return
                container.state.ready = True
                self.publish()
            for container in self._main:
                group.create_task(container.run())

    async def _mount(self) -> None:
        while True:
            try:
                for volume in self._pod["spec"].get("volumes") or ():
                    volumes.mount(self._pod, volume, self.directory, sources_of(self._machine, self._pod))
            except MountError as error:
                changed = self._changed
                self._machine.events.warning(self._pod, "FailedMount", str(error))
                await changed
            else:
                self._mounted = True
                self._publish_now()
                return

    def publish(self) -> None:
        """Write the status in the next iteration of the event loop, so that simultaneous changes are one write."""
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_soon(self._publish_now)

    def _publish_now(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        live = self._machine.registry.find("pods", *self.key)
        if live is None or live["metadata"]["uid"] != self.uid:
            return
        states = ([c.state for c in self._init], [c.state for c in self._main])
        # The kubelet creates the sandbox, which has the address, after it has mounted the volumes.
        address = self._address if self._mounted else ("", self._address[1])
        status = pod_status(live, *states, address, self._machine.clock(), over=self._over)
        if status == live.get("status"):
            return
        with contextlib.suppress(ApiError):  # the pod was deleted meanwhile
            changed = {**live, "status": status}
            self._pod = self._machine.registry.update(
                "pods", self.key[0], changed, manager=MANAGER, subresource="status"
            )

    async def terminate(self, limit: float | None = None) -> None:
        """Stop the containers within the pod's grace period, or within `limit` seconds if that is shorter."""
        grace = self._pod["metadata"].get("deletionGracePeriodSeconds")
        if grace is None:
            grace = self._pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE)
        await self._halt()
        seconds = grace if limit is None else min(grace, limit)
        await asyncio.gather(*(c.terminate(seconds) for c in (*self._main, *reversed(self._init))))
        self._over = limit is None  # a limit means that the cluster shuts down: the pod has not finished
        self._publish_now()

    async def kill(self) -> None:
        """Kill all processes."""
        await self._halt()
        await asyncio.gather(*(c.kill() for c in (*self._main, *self._init)))

    async def _halt(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def clean(self) -> None:
        """Remove the pod's files and release its address."""
        self._machine.addresses.release(self.uid)
        shutil.rmtree(self.directory.root, ignore_errors=True)
