"""Ctrl-C at any moment leaves no process running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.kubelet, pytest.mark.timeout(600)]

AGENTCTL = Path(sys.executable).with_name("agentctl")
COMMANDS = {"demo": ("demo",), "up": ("local", "up"), "foreground": ("local", "up", "--foreground")}
# The duration of a start, over which --interrupts spreads its interrupts. Which step they hit depends on the machine.
# So the tests also interrupt when each of FILES appears: it marks the end of a step.
SECONDS = 8.0
PODS = "node/pods/*/logs"
FILES = {
    "demo": ("cluster.log", "kubeconfig", "running.json", PODS),
    "up": ("cluster.log", "lock", "operator.log", "running.json"),
    "foreground": ("lock", "operator.log", "running.json"),
}
Moment = float | str


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "command" in metafunc.fixturenames:
        count = metafunc.config.getoption("--interrupts")
        cases: list[tuple[str, Moment]] = [("demo", SECONDS * step / count) for step in range(count)]
        cases += [(command, file) for command, files in FILES.items() for file in files]
        metafunc.parametrize(("command", "moment"), cases)


def survivors(directory: Path) -> dict[int, str]:
    """Return processes with the directory in their arguments or environment: command line by pid."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if os.fsencode(directory) in command + (process / "environ").read_bytes():
                found[int(process.name)] = command.replace(b"\0", b" ").decode()
        except OSError:  # the process has just ended
            continue
    return found


def start(command: str, directory: Path) -> subprocess.Popen[bytes]:
    """Start a command as a shell does: in its own process group, with the default action of SIGINT."""
    with (directory.parent / "output").open("wb") as output:
        return subprocess.Popen(
            [AGENTCTL, *COMMANDS[command]],
            env=os.environ | {"AGENTCTL_DIR": str(directory)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # A shell ignores SIGINT in background jobs, and their children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
        )


def wait_for(moment: Moment, directory: Path, process: subprocess.Popen[bytes]) -> None:
    """Sleep for a number of seconds, or until a file exists."""
    if isinstance(moment, float):
        time.sleep(moment)
        return
    deadline = time.monotonic() + 180
    while not list(directory.glob(moment)):
        printed = (directory.parent / "output").read_text()
        assert process.poll() is None, f"exited before {moment} existed: {printed}"
        assert time.monotonic() < deadline, f"{moment} was not created: {printed}"
        time.sleep(0.01)


def test_ctrl_c_leaves_nothing_running(
    command: str, moment: Moment, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """A terminal sends SIGINT to the foreground process group."""
    directory = tmp_path / "state"
    process = start(command, directory)
    wait_for(moment, directory, process)

    os.killpg(process.pid, signal.SIGINT)
    code = process.wait(90)

    if (command, code) == ("up", 0):
        # The command succeeded before the interrupt, so the cluster must be running.
        assert "export KUBECONFIG" in (tmp_path / "output").read_text()
        subprocess.run([AGENTCTL, "local", "down", "--dir", directory], check=True, timeout=90, capture_output=True)
    elif command == "foreground":
        assert code in {0, 130, -signal.SIGINT}
    else:
        assert code in {130, -signal.SIGINT}
    # A traceback is acceptable only if the interrupt hit the start of the interpreter.
    assert code == -signal.SIGINT or "Traceback" not in (tmp_path / "output").read_text()
    eventually("no process is left", lambda: not survivors(directory), 60)


TWICE, KILL = (signal.SIGINT, signal.SIGINT), (signal.SIGKILL,)


@pytest.mark.parametrize(("signals", "moment"), [(TWICE, "operator.log"), (KILL, "cluster.log"), (KILL, PODS)])
def test_a_second_interrupt_or_a_kill_leaves_nothing_running(
    signals: tuple[signal.Signals, ...], moment: str, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """The processes that the command started notice that it has ended."""
    directory = tmp_path / "state"
    process = start("demo", directory)
    wait_for(moment, directory, process)

    for number in signals:
        os.killpg(process.pid, number)
        time.sleep(0.2)
    process.wait(90)

    eventually("no process is left", lambda: not survivors(directory), 60)


def test_operator_and_pods_end_when_the_supervisor_is_killed(tmp_path: Path, eventually: Callable[..., Any]) -> None:
    directory = tmp_path / "state"
    process = start("foreground", directory)
    wait_for("running.json", directory, process)
    assert len(survivors(directory)) > 1

    process.kill()
    process.wait(90)

    eventually("no process is left", lambda: not survivors(directory), 60)
