"""The process behind `agentctl local up`: the local cluster in it, the operator as a child of it."""

import asyncio
import os
import select
import signal
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path

import aiohttp

from agent_operator.api import constants
from agent_operator.codegen import crd
from agentctl.errors import CommandError
from agentctl.local.state import KEEP, Running, State, last_line
from agentctl.ui import output
from localkube.apiserver.registry import Registry
from localkube.cluster import LocalCluster
from localkube.node.guard import Guard
from localkube.node.images import Image

RUNTIME = "agent-operator/agent-runtime:*"
# As deploy/docker/runtime.Dockerfile has it.
RUNTIME_ARGS = ("serve", "--config", "/app/config/agent.toml")
RUNTIME_DIRECTORY = "/app"
CRDS = "customresourcedefinitions.apiextensions.k8s.io"
GRACE = 15.0
READY_WITHIN = 150.0
# The delays of probes are made for nodes far away; a process here is up in a second.
PROBE_SCALE = 0.25
POLL = 0.1
# Long enough for an operator that always fails not to fill the disk with its log.
RESTART_AFTER = 2.0


def run(directory: Path, *, lifeline: bool = False) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        directory: of the cluster's state.
        lifeline: also stop when standard input ends, unless it has said KEEP: who started this is gone then.

    Raises:
        CommandError: another cluster runs in the directory, or the operator cannot be started.
    """
    state = State(directory)
    state.create()
    output.note(f"export KUBECONFIG={state.kubeconfig}")
    with state.held():
        asyncio.run(_serve(state, lifeline=lifeline))


async def _serve(state: State, *, lifeline: bool) -> None:
    # First of all: whatever is started after this is also stopped.
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(sign, stopped.set)
    if lifeline:
        _follow(sys.stdin.fileno(), stopped)
    if stopped.is_set():
        return
    # The map of images is all that the cluster knows of agents.
    images = {RUNTIME: Image([sys.executable, "-m", "agent_runtime"], RUNTIME_ARGS, RUNTIME_DIRECTORY)}
    node = state.directory / "node"
    async with LocalCluster(images=images, state_dir=node, probe_time_scale=PROBE_SCALE) as cluster:
        _define(cluster.registry)
        cluster.write_kubeconfig(state.kubeconfig)
        keeper = asyncio.create_task(_keep_operator(state, cluster.url))
        waiting = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait({keeper, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                # Its own failure is the reason why it all ends.
                await keeper


def _follow(descriptor: int, stopped: asyncio.Event) -> None:
    """Stop when a pipe ends that has not said KEEP."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        loop.remove_reader(descriptor)
        if os.read(descriptor, len(KEEP)) != KEEP:
            stopped.set()

    if select.select([descriptor], [], [], 0)[0]:
        read()  # its other end closed while this process was starting
    else:
        loop.add_reader(descriptor, read)


def _define(registry: Registry) -> None:
    """Make agents and channels known to the API server."""
    for definition in crd.files().values():
        registry.create(CRDS, "", dict(definition), manager=constants.FIELD_MANAGER)


async def _keep_operator(state: State, url: str) -> None:
    """Run the operator, again whenever it ends, until cancelled.

    Raises:
        CommandError: it does not come up at all.
    """
    listen = f"127.0.0.1:{_free_port()}"
    pid_file = state.directory / "operator.pid"
    with closing(Guard()) as guard:
        guard.start()
        while True:
            process = await _start_operator(state.kubeconfig, state.operator_log, listen)
            guard.started(process.pid, pid_file)
            try:
                await _until_ready(process, listen, state.operator_log)
                state.record(Running(os.getpid(), url, process.pid, f"http://{listen}/metrics"))
                await process.wait()
            finally:
                await _end(process)
                guard.ended(process.pid, pid_file)
            await asyncio.sleep(RESTART_AFTER)


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
            # Ctrl-C in a terminal is for the supervisor, which stops the operator in its turn.
            start_new_session=True,
        )


async def _until_ready(process: asyncio.subprocess.Process, listen: str, log: Path) -> None:
    async with asyncio.timeout(READY_WITHIN), aiohttp.ClientSession() as client:
        while process.returncode is None:
            with suppress(aiohttp.ClientConnectionError):
                async with client.get(f"http://{listen}/readyz") as answer:
                    if answer.ok:
                        return
            await asyncio.sleep(POLL)
    raise CommandError(f"the operator ended with {process.returncode}: {last_line(log)}: see {log}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask a process to end, and make it after a while."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
