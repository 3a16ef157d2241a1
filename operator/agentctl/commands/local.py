"""`agentctl local up|down|status`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agentctl.errors import CommandError
from agentctl.formats import Format, View
from agentctl.local.cluster_directory import KEEP, ClusterDirectory, RunningCluster, last_line
from agentctl.ui import output

# Seconds, long enough for a machine under load. A cluster that fails to start is reported immediately.
START_TIMEOUT = 180.0
STOP_TIMEOUT = 45.0
POLL_INTERVAL = 0.05


class SupervisorProcess:
    """A supervisor in its own session. Until it is detached, it ends with this process.

    The pipe to its standard input is its lifeline. The kernel closes the pipe at the end of this process, and the
    supervisor then stops. So an interrupted or killed command leaves nothing running.
    """

    def __init__(self, directory: ClusterDirectory) -> None:
        self.detached = False
        self._log = directory.cluster_log
        options = ["--foreground", "--lifeline", "--dir", str(directory.path)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this program
                [sys.executable, "-m", "agentctl", "local", "up", *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def detach(self) -> None:
        """Let the supervisor continue after this process ends."""
        # This is one system call, so an interrupt comes before or after it. The pipe is broken if the supervisor has
        # just ended.
        with suppress(BrokenPipeError):
            os.write(self._stdin, KEEP)
        self.detached = True

    def stop(self) -> None:
        """Stop the supervisor and everything that it started, and wait for the end.

        Raises:
            CommandError: it did not exit in time.
        """
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise _killed(self._process.pid, self._log) from None

    @property
    def _stdin(self) -> int:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        return self._process.stdin.fileno()


@dataclass(slots=True)
class ClusterHandle:
    """A running cluster.

    Attributes:
        running: how to connect.
        supervisor: the supervisor if this process started it; None if the cluster was running before.
    """

    running: RunningCluster
    supervisor: SupervisorProcess | None

    def keep(self) -> None:
        """Let the cluster continue after this process ends.

        Ctrl-C is ignored from here on, so that the exit status is 0 if and only if the cluster stays.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self.supervisor:
            self.supervisor.detach()


def up(path: Path) -> None:
    """Start a cluster unless one is running, and print how to connect."""
    directory = ClusterDirectory(path)
    with ensure_cluster(directory) as handle:
        event = "Cluster started" if handle.supervisor else "Cluster is already running"
        output.note(f"{event}: {handle.running.url}, logs in {directory.path}")
        output.write(f"export KUBECONFIG={directory.kubeconfig}\n")
        handle.keep()


@contextmanager
def ensure_cluster(directory: ClusterDirectory, stopping: Callable[[], None] = lambda: None) -> Iterator[ClusterHandle]:
    """Start a cluster unless one is running. The end of the block stops a cluster that was started here and not kept.

    Args:
        directory: directory of the cluster.
        stopping: called before the cluster is stopped.

    Raises:
        CommandError: the cluster does not start or stop; the message has the last line of its log.
    """
    if running := directory.running():
        yield ClusterHandle(running, None)
        return
    directory.create()
    supervisor = None if directory.lock_owner() else SupervisorProcess(directory)
    try:
        running = _wait_until_running(directory, supervisor)
        # A supervisor that has ended did not get the lock: another process has started the cluster.
        yield ClusterHandle(running, supervisor if supervisor and supervisor.alive else None)
    finally:
        if supervisor and not supervisor.detached:
            if supervisor.alive:
                stopping()
            supervisor.stop()


def _wait_until_running(directory: ClusterDirectory, supervisor: SupervisorProcess | None) -> RunningCluster:
    def failed() -> bool:
        return not (supervisor and supervisor.alive) and directory.lock_owner() is None

    in_time = _poll(START_TIMEOUT, lambda: directory.running() is not None or failed())
    if running := directory.running():
        return running
    if not in_time:
        stops = " and is stopped" if supervisor and supervisor.alive else ""
        raise CommandError(
            f"the cluster did not start within {START_TIMEOUT:g} s{stops}: see {directory.cluster_log} for the cause, "
            "then run the command again"
        )
    raise CommandError(f"the cluster did not start: {last_line(directory.cluster_log)}: see {directory.cluster_log}")


def down(path: Path) -> None:
    """Stop the cluster if it is running."""
    directory = ClusterDirectory(path)
    output.note("Cluster stopped" if stop(directory) else "Cluster is not running")


def stop(directory: ClusterDirectory) -> bool:
    """Stop the cluster and wait for the end. Return whether a cluster was running.

    Raises:
        CommandError: it did not exit in time.
    """
    pid = directory.lock_owner()
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if not _poll(STOP_TIMEOUT, lambda: directory.lock_owner() is None):
        # localkube's guard process then ends the pods and the operator.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise _killed(pid, directory.cluster_log)
    return True


def _killed(pid: int, log: Path) -> CommandError:
    return CommandError(
        f"the cluster is stopped, but its process {pid} did not exit within {STOP_TIMEOUT:g} s and was killed: see "
        f"{log} for the cause"
    )


def status(path: Path, view: View) -> int:
    """Print whether the cluster is running, and return the exit status."""
    directory = ClusterDirectory(path)
    running = directory.running()
    data = {"running": running is not None, "logs": str(directory.path)}
    if running:
        data |= {"url": running.url, "kubeconfig": str(directory.kubeconfig)}
        data |= {"pid": running.pid, "operatorPid": running.operator_pid, "metrics": running.metrics}
    if view is not View.TEXT:
        output.write(output.data_text(data, Format(view)))
    elif running:
        output.write(f"Cluster is running: {running.url}\nexport KUBECONFIG={directory.kubeconfig}\n")
        output.write(f"pid {running.pid}, operator pid {running.operator_pid}, logs in {directory.path}\n")
    else:
        output.write("Cluster is not running: start it with agentctl local up\n")
    return 0 if running else 1


def _poll(seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL)
    return True
