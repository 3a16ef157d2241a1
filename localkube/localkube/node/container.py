"""The lifecycle of one container: start, probes, restarts with back-off, stop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from localkube.meta.status import Object
from localkube.node import ending, launch, state
from localkube.node.errors import ConfigError, ImageUnknownError, MountError, StartError
from localkube.node.handlers import HandlerError, HandlerTarget, run_handler
from localkube.node.launch import Command
from localkube.node.logs import LogWriter
from localkube.node.machine import Machine, duration
from localkube.node.paths import PodDirectory
from localkube.node.prober import Prober, Reports
from localkube.node.process import Process
from localkube.node.state import ContainerState

NEVER_STARTED = 128  # exit code of a container whose process did not start
HOOK_SECONDS = 30.0  # limit for postStart; the kubelet has none
DEFAULT_GRACE = 30


@dataclass(frozen=True, slots=True)
class PodContext:
    """The pod of a container. `config_changed` returns a future that ends when a ConfigMap or Secret changes."""

    pod: Callable[[], Object]
    directory: PodDirectory
    publish: Callable[[], None]
    config_changed: Callable[[], asyncio.Future[None]]


class Container:
    """Runs one container of a pod and keeps its `state` for the pod's status."""

    def __init__(self, machine: Machine, pod_context: PodContext, shown: ContainerState) -> None:
        self.state = shown
        self.started = asyncio.Event()  # set at the first start: the next init container waits for a sidecar
        self.log: LogWriter | None = None
        self._machine = machine
        self._pod_context = pod_context
        self._process: Process | None = None
        self._command: Command | None = None
        self._stopping: asyncio.Task[int] | None = None
        self._backoffs = 0

    @property
    def _spec(self) -> Object:
        return self.state.spec

    @property
    def _path(self) -> str:
        kind = "initContainers" if self.state.is_init else "containers"
        return f"spec.{kind}{{{self.state.name}}}"

    async def run(self) -> None:
        """Run and restart according to the restart policy; returns when the container will not be restarted."""
        while self._is_restarted(await self._once()):
            await self._back_off()

    @property
    def running(self) -> Command | None:
        """The command of the process; None while none runs."""
        return self._command if self._process is not None else None

    def _is_restarted(self, code: int) -> bool:
        policy = self._pod_context.pod()["spec"].get("restartPolicy", state.RESTART_ALWAYS)
        if self.state.is_sidecar:
            return True
        if self.state.is_init or policy == "OnFailure":
            return code != 0 and policy != "Never"
        return bool(policy == state.RESTART_ALWAYS)

    async def _once(self) -> int:
        command = await self._prepare()
        try:
            process = await self._start(command)
        except StartError as error:
            self._fail("Failed", f"Error: {error}")
            return self._ended(NEVER_STARTED, self._now_stamp(), reason="StartError", message=str(error))
        started = self.state.state["running"]["startedAt"]
        began = self._machine.clock()
        prober = asyncio.create_task(self._probe(command))
        try:
            code = await process.wait()
        finally:
            prober.cancel()
            await asyncio.gather(prober, return_exceptions=True)
        if self._machine.clock() - began > self._machine.timing.backoff_reset:
            self._backoffs = 0
        self._stopping = None
        return self._ended(code, started)

    async def _prepare(self) -> Command:
        """Wait until the image and the configuration exist."""
        while True:
            pod = self._pod_context.pod()
            try:
                command = launch.prepare(self._machine, pod, self._spec, self._pod_context.directory)
            except ImageUnknownError as error:
                await self._pull_back_off(str(error))
            except (ConfigError, MountError, OSError, ValueError) as error:
                changed = self._pod_context.config_changed()
                self._wait("CreateContainerConfigError", str(error))
                self._fail("Failed", f"Error: {error}")
                await changed
            else:
                return command

    async def _pull_back_off(self, why: str) -> None:
        """Report an unknown image as the kubelet does, and wait for cancellation: the map of images never changes."""
        image = self._spec["image"]
        full = f'Failed to pull image "{image}": {why}'
        self._fail("Failed", full)
        self._fail("Failed", "Error: ErrImagePull")
        self._wait("ErrImagePull", why)
        timing = self._machine.timing
        await asyncio.sleep(timing.backoff_first * timing.backoff_scale)
        message = f'Back-off pulling image "{image}"'
        self._machine.events.normal(self._pod_context.pod(), "BackOff", message, self._path)
        self._fail("Failed", "Error: ImagePullBackOff")
        self._wait("ImagePullBackOff", f"{message}: ErrImagePull: {why}")
        await asyncio.get_running_loop().create_future()

    async def _start(self, command: Command) -> Process:
        pod = self._pod_context.pod()
        name = self.state.name
        events = self._machine.events
        image = self._spec["image"]
        events.normal(pod, "Pulled", f'Container image "{image}" already present on machine', self._path)
        self.log = LogWriter(self._pod_context.directory.log(name, self.state.restarts))
        events.normal(pod, "Created", f"Created container: {name}", self._path)
        self._command = command
        self._process = process = await Process.start(
            command.argv,
            env=command.env,
            cwd=command.cwd,
            log=self.log,
            guard=self._machine.guard,
            pid_file=self._pod_context.directory.pid_file(name),
        )
        events.normal(pod, "Started", f"Started container {name}", self._path)
        self.state.container_id = f"local://{process.pid}"
        self.state.state = state.running(self._machine.clock())
        self._pod_context.publish()
        return process

    async def _probe(self, command: Command) -> None:
        hook = (self._spec.get("lifecycle") or {}).get("postStart")
        if hook:
            try:
                await run_handler(hook, self._target(command), HOOK_SECONDS)
            except HandlerError as error:
                self._fail("FailedPostStartHook", f"PostStartHook failed: {error}")
                self._end(f"FailedPostStartHook: Container {self.state.name}", None)
        reports = Reports(self._on_started, self._on_ready, self._on_unhealthy, self._on_failed)
        await Prober(self._spec, self._target(command), reports, self._machine.timing.probe_scale).run()

    def _target(self, command: Command) -> HandlerTarget:
        pod = self._pod_context.pod()

        def port(wanted: int | str) -> int:
            return launch.port_of(self._machine, pod, self._spec, wanted)

        return HandlerTarget(pod["status"]["podIP"], port, command.env, command.cwd, self._machine.client)

    def _on_started(self) -> None:
        self.state.started = True
        self.started.set()
        self._pod_context.publish()

    def _on_ready(self, ready: bool) -> None:
        if self.state.ready != ready:
            self.state.ready = ready
            self._pod_context.publish()

    def _on_unhealthy(self, kind: str, why: str) -> None:
        self._fail("Unhealthy", f"{kind} probe failed: {why}")

    def _on_failed(self, kind: str, grace: int | None) -> None:
        self._end(f"Container {self.state.name} failed {kind} probe, will be restarted", grace)

    def _end(self, why: str, grace: int | None) -> None:
        """Stop the process; `run` starts it again."""
        if self._stopping is None:
            self._machine.events.normal(self._pod_context.pod(), "Killing", why, self._path)
            if grace is None:
                grace = self._pod_context.pod()["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE)
            self._stopping = asyncio.create_task(self.stop(grace))

    def _ended(self, code: int, started: str, *, reason: str = "", message: str = "") -> int:
        rootfs = self._pod_context.directory.rootfs(self.state.name)
        message = message or ending.message(self._spec, rootfs, code, self.log.path if self.log else None)
        now = self._machine.clock()
        self.state.state = state.terminated(code, started, now, reason=reason, message=message)
        self.state.ready = self.state.started = False
        self._process = None
        self._pod_context.publish()
        return code

    async def _back_off(self) -> None:
        timing = self._machine.timing
        delay = timing.backoff(self._backoffs)
        self._backoffs += 1
        self.state.last = self.state.state
        if delay:
            metadata = self._pod_context.pod()["metadata"]
            where = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            name = self.state.name
            self._fail("BackOff", f"Back-off restarting failed container {name} in pod {where}")
            wait = f"back-off {duration(delay)} restarting failed container={name} pod={where}"
            self._wait("CrashLoopBackOff", wait)
            await asyncio.sleep(delay * timing.backoff_scale)
        self.state.restarts += 1

    async def stop(self, grace: float) -> int:
        """Run preStop, send SIGTERM, and SIGKILL after `grace` seconds; returns the exit code, 0 if no process runs."""
        process, command = self._process, self._command
        if process is None or command is None:
            return 0
        hook = (self._spec.get("lifecycle") or {}).get("preStop")
        problem = await ending.stop(process, hook, self._target(command), grace)
        if problem:
            self._fail("FailedPreStopHook", f"PreStopHook failed: {problem}")
        return await process.wait()

    async def terminate(self, grace: float) -> None:
        """Stop the process when the pod terminates, and update the state. `run` must have been cancelled."""
        if self._process is None:
            return
        started = self.state.state["running"]["startedAt"]
        self._machine.events.normal(
            self._pod_context.pod(), "Killing", f"Stopping container {self.state.name}", self._path
        )
        if self._stopping is not None:
            self._stopping.cancel()
        self._ended(await self.stop(grace), started)

    async def kill(self) -> None:
        """Kill the process."""
        if self._process is not None:
            await self._process.kill()

    def _wait(self, reason: str, message: str) -> None:
        self.state.state = state.waiting(reason, message)
        self._pod_context.publish()

    def _fail(self, reason: str, message: str) -> None:
        self._machine.events.warning(self._pod_context.pod(), reason, message, self._path)

    def _now_stamp(self) -> str:
        return str(state.running(self._machine.clock())["running"]["startedAt"])
