"""`agentctl local up|down|status`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agentctl import output
from agentctl.errors import CommandError
from agentctl.output import Format, View
from agentctl.state import Running, State, last_line

UP_WITHIN = 60.0
DOWN_WITHIN = 45.0
POLL = 0.05


def up(directory: Path) -> None:
    """Start a cluster, unless one runs there, and print how to reach it."""
    state = State(directory)
    running, started = start(state)
    output.note(f"{'Up' if started else 'Already up'}: {running.url}, logs in {state.directory}")
    output.write(f"export KUBECONFIG={state.kubeconfig}\n")


def start(state: State) -> tuple[Running, bool]:
    """Return the cluster that runs there, started if need be, and whether it had to be.

    Raises:
        CommandError: it did not come up; the message has the last line of its log.
    """
    if running := state.running():
        return running, False
    state.create()
    process = None if state.holder() else _spawn(state)

    def ended() -> bool:
        return process is not None and process.poll() is not None

    _poll(UP_WITHIN, lambda: state.running() is not None or ended())
    if running := state.running():
        return running, True
    if process is not None:
        process.terminate()
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
        # The whole session: pods and operator are in it.
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        raise CommandError(f"process {pid} did not end in {DOWN_WITHIN:g} s and was killed: see {state.cluster_log}")
    return True


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


def _spawn(state: State) -> subprocess.Popen[bytes]:
    """Start the supervisor in a session of its own, so that it outlives this command and its terminal."""
    command = [sys.executable, "-m", "agentctl", "local", "up", "--foreground", "--dir", str(state.directory)]
    with state.cluster_log.open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - this very program
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _poll(seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True
