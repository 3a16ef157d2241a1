"""The supervisor process of `agentctl local up`: it runs the local cluster, and the operator as a child process."""

import asyncio
import os
import select
import signal
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path

import aiohttp

from agent_operator.api import constants, definitions, openapi
from agentctl.errors import CommandError
from agentctl.local.cluster_directory import KEEP, ClusterDirectory, RunningCluster, last_line
from agentctl.ui import output
from localkube.apiserver.registry import Registry
from localkube.cluster import LocalCluster
from localkube.node.guard import Guard
from localkube.node.images import Image

RUNTIME_IMAGE = "agent-operator/agent-runtime:*"
# The arguments and working directory of deploy/docker/runtime.Dockerfile.
RUNTIME_ARGS = ("serve", "--config", "/app/config/agent.toml")
RUNTIME_DIRECTORY = "/app"
CRDS = "customresourcedefinitions.apiextensions.k8s.io"
GRACE_SECONDS = 15.0
READY_TIMEOUT = 150.0
# The probe delays of the manifests allow for slow nodes. A local process starts within a second.
PROBE_SCALE = 0.25
POLL_INTERVAL = 0.1
# Keeps an operator that fails at every start from filling the disk with its log.
RESTART_DELAY = 2.0


def run(path: Path, *, lifeline: bool = False) -> None:
    """Run the cluster until SIGTERM or Ctrl-C.

    Args:
        path: directory of the cluster.
        lifeline: also stop at the end of standard input, unless KEEP was read from it. The pipe ends when the process
            that started this one ends.

    Raises:
        CommandError: a cluster is already running in the directory, or the operator cannot be started.
    """
    directory = ClusterDirectory(path)
    directory.create()
    output.note(f"export KUBECONFIG={directory.kubeconfig}")
    with directory.lock():
        asyncio.run(_serve(directory, lifeline=lifeline))


async def _serve(directory: ClusterDirectory, *, lifeline: bool) -> None:
    # Handle signals first, so that everything that is started below is also stopped.
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    if lifeline:
        _stop_at_end(sys.stdin.fileno(), stopped)
    if stopped.is_set():
        return
    # This map is all that the local cluster knows about agents.
    images = {RUNTIME_IMAGE: Image([sys.executable, "-m", "agent_runtime"], RUNTIME_ARGS, RUNTIME_DIRECTORY)}
    async with LocalCluster(images=images, state_dir=directory.path / "node", probe_time_scale=PROBE_SCALE) as cluster:
        _create_crds(cluster.registry)
        cluster.write_kubeconfig(directory.kubeconfig)
        operator = asyncio.create_task(_keep_operator_running(directory, cluster.url))
        waiting = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait({operator, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            operator.cancel()
            with suppress(asyncio.CancelledError):
                # Raises the error of the operator, if that is why the cluster stops.
                await operator


def _stop_at_end(descriptor: int, stopped: asyncio.Event) -> None:
    """Set the event when a pipe ends before KEEP was written to it."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        loop.remove_reader(descriptor)
        if os.read(descriptor, len(KEEP)) != KEEP:
            stopped.set()

    if select.select([descriptor], [], [], 0)[0]:
        read()  # the pipe was closed while this process started
    else:
        loop.add_reader(descriptor, read)


def _create_crds(registry: Registry) -> None:
    # Not from the models, whose import and conversion to schemas would take as long as the rest of the start.
    for definition in definitions.files(openapi.schemas()).values():
        registry.create(CRDS, "", dict(definition), manager=constants.FIELD_MANAGER)


async def _keep_operator_running(directory: ClusterDirectory, url: str) -> None:
    """Run the operator, and restart it whenever it ends, until cancelled.

    Raises:
        CommandError: the operator ends before it is ready.
    """
    listen = f"127.0.0.1:{_free_port()}"
    pid_file = directory.path / "operator.pid"
    with closing(Guard()) as guard:
        guard.start()
        while True:
            process = await _start_operator(directory.kubeconfig, directory.operator_log, listen)
            guard.started(process.pid, pid_file)
            try:
                await _wait_until_ready(process, listen, directory.operator_log)
                directory.write_record(RunningCluster(os.getpid(), url, process.pid, f"http://{listen}/metrics"))
                await process.wait()
            finally:
                await _terminate(process)
                guard.ended(process.pid, pid_file)
            await asyncio.sleep(RESTART_DELAY)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _start_operator(kubeconfig: Path, log: Path, listen: str) -> asyncio.subprocess.Process:
    options = ["--kubeconfig", str(kubeconfig), "--no-leader-election", "--listen", listen]
    with log.open("ab") as sink:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent_operator", "run", *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            # Ctrl-C in a terminal reaches only the supervisor, which then stops the operator.
            start_new_session=True,
        )


async def _wait_until_ready(process: asyncio.subprocess.Process, listen: str, log: Path) -> None:
    try:
        async with asyncio.timeout(READY_TIMEOUT), aiohttp.ClientSession() as client:
            while process.returncode is None:
                with suppress(aiohttp.ClientConnectionError):
                    async with client.get(f"http://{listen}/readyz") as response:
                        if response.ok:
                            return
                await asyncio.sleep(POLL_INTERVAL)
    except TimeoutError:
        message = f"the operator was not ready within {READY_TIMEOUT:g} s and is stopped: {last_line(log)}: see {log}"
        raise CommandError(message) from None
    raise CommandError(f"the operator exited with status {process.returncode}: {last_line(log)}: see {log}")


async def _terminate(process: asyncio.subprocess.Process) -> None:
    """Send SIGTERM to a process, and SIGKILL after the grace period."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
