"""No process outlives the cluster: the reaper knows those it has; those of an earlier one are ended at the start."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from localkube.node import reaper


class Guard:
    """Knows every process group that the node has started."""

    def __init__(self) -> None:
        self._reaper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the reaper, in a session of its own: Ctrl-C in a terminal is not for it."""
        self._reaper = subprocess.Popen(  # noqa: S603 (our own script)
            [sys.executable, "-I", "-S", reaper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )

    def close(self) -> None:
        """End the reaper, and with it whatever should still run."""
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            self._reaper.wait()
            self._reaper = None

    def started(self, pid: int, pid_file: Path) -> None:
        """A process that leads its own group has been started."""
        self._tell(f"+{pid}\n")
        pid_file.parent.mkdir(parents=True, exist_ok=True)
        pid_file.write_text(f"{pid} {_birth(pid)}")

    def ended(self, pid: int, pid_file: Path) -> None:
        """The process has ended; the rest of its group goes with it, as a container ends with its first process."""
        kill_group(pid, signal.SIGKILL)
        self._tell(f"-{pid}\n")
        pid_file.unlink(missing_ok=True)

    def _tell(self, line: str) -> None:
        if self._reaper is not None and self._reaper.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # somebody killed the reaper: the pid files remain
                self._reaper.stdin.write(line.encode())


def kill_group(pid: int, number: int) -> None:
    """Signal a process group, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def end_leftovers(pods: Path) -> int:
    """Kill the processes that pid files below `pods` still name; returns how many there were."""
    ended = 0
    for pid_file in pods.glob("*/run/*.pid"):
        number, _, birth = pid_file.read_text().partition(" ")
        # The same pid with another time of birth is somebody else's process.
        if number.isdigit() and birth and _birth(int(number)) == birth:
            kill_group(int(number), signal.SIGKILL)
            ended += 1
        pid_file.unlink(missing_ok=True)
    return ended


def _birth(pid: int) -> str:
    """What tells a process from a later one of the same pid; "" where the system does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
