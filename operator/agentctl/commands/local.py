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
from agentctl.local.state import KEEP, Running, State, last_line
from agentctl.ui import output
from agentctl.ui.output import Format, View

# Long enough for a machine with much else to do: a cluster that fails says so at once.
UP_WITHIN = 180.0
DOWN_WITHIN = 45.0
POLL = 0.05


class Supervisor:
    """A supervisor in a session of its own, which ends with this process until it is detached.

    The pipe to its standard input is the lifeline. The system closes it however this process ends, and the supervisor
    stops then: so nothing is left running, at whatever moment this process is interrupted or killed.
    """

    def __init__(self, state: State) -> None:
        self.detached = False
        self._log = state.cluster_log
        options = ["--foreground", "--lifeline", "--dir", str(state.directory)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, "-m", "agentctl", "local", "up", *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def detach(self) -> None:
        """Let it outlive this process."""
        # One system call: an interrupt comes before or after it. A supervisor that has just died takes no word.
        with suppress(BrokenPipeError):
            os.write(self._stdin, KEEP)
        self.detached = True

    def stop(self) -> None:
        """Stop it with all that it started, and wait until it is gone.

        Raises:
            CommandError: it does not end.
        """
        self._process.terminate()
        try:
            self._process.wait(DOWN_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise _not_ended(self._process.pid, self._log) from None

    @property
    def _stdin(self) -> int:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        return self._process.stdin.fileno()


@dataclass(slots=True)
class Up:
    """A cluster that is up.

    Attributes:
        running: how to reach it.
        supervisor: its process when it was started here, None when it ran before.
    """

    running: Running
    supervisor: Supervisor | None

    def keep(self) -> None:
        """Let the cluster outlive this process. From here on Ctrl-C is ignored: the exit status says that it is up."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self.supervisor:
            self.supervisor.detach()


def up(directory: Path) -> None:
    """Start a cluster, unless one runs there, and print how to reach it."""
    state = State(directory)
    with cluster(state) as found:
        output.note(f"{'Up' if found.supervisor else 'Already up'}: {found.running.url}, logs in {state.directory}")
        output.write(f"export KUBECONFIG={state.kubeconfig}\n")
        found.keep()


@contextmanager
def cluster(state: State, stopping: Callable[[], None] = lambda: None) -> Iterator[Up]:
    """Have the cluster that runs there, started if need be. What was started here stops with the block, unless kept.

    Args:
        state: of the cluster.
        stopping: called before it is stopped.

    Raises:
        CommandError: it does not come up, or does not stop; the message has the last line of its log.
    """
    if running := state.running():
        yield Up(running, None)
        return
    state.create()
    supervisor = None if state.holder() else Supervisor(state)
    try:
        running = _until_up(state, supervisor)
        # A supervisor that has ended lost the directory to another one.
        yield Up(running, supervisor if supervisor and supervisor.alive else None)
    finally:
        if supervisor and not supervisor.detached:
            if supervisor.alive:
                stopping()
            supervisor.stop()


def _until_up(state: State, supervisor: Supervisor | None) -> Running:
    def failed() -> bool:
        return not (supervisor and supervisor.alive) and state.holder() is None

    in_time = _poll(UP_WITHIN, lambda: state.running() is not None or failed())
    if running := state.running():
        return running
    if not in_time:
        raise CommandError(f"the cluster did not come up in {UP_WITHIN:g} s: see {state.cluster_log}")
    raise CommandError(f"the cluster did not come up: {last_line(state.cluster_log)}")


def down(directory: Path) -> None:
    """Stop the cluster, if one runs there."""
    state = State(directory)
    output.note("Stopped" if stop(state) else "Not running")


def stop(state: State) -> bool:
    """Stop what runs there and wait until it is gone; return whether anything ran.

    Raises:
        CommandError: it does not end.
    """
    pid = state.holder()
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if not _poll(DOWN_WITHIN, lambda: state.holder() is None):
        # Pods and operator end with it: a process of their own sees to that.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise _not_ended(pid, state.cluster_log)
    return True


def _not_ended(pid: int, log: Path) -> CommandError:
    return CommandError(f"process {pid} did not end in {DOWN_WITHIN:g} s and was killed: see {log}")


def status(directory: Path, view: View) -> int:
    """Tell whether a cluster runs there; return the exit status."""
    state = State(directory)
    running = state.running()
    found = {"running": running is not None, "logs": str(state.directory)}
    if running:
        found |= {"url": running.url, "kubeconfig": str(state.kubeconfig)}
        found |= {"pid": running.pid, "operatorPid": running.operator_pid, "metrics": running.metrics}
    if view is not View.TEXT:
        output.write(output.data(found, Format(view)))
    elif running:
        output.write(f"Up: {running.url}\nexport KUBECONFIG={state.kubeconfig}\n")
        output.write(f"pid {running.pid}, operator {running.operator_pid}, logs in {state.directory}\n")
    else:
        output.write("Not running: agentctl local up starts it\n")
    return 0 if running else 1


def _poll(seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True
