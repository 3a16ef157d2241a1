"""Ends the processes of pods with the cluster, even if it is killed, with a reaper process and pid files."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from localkube.node import reaper


class Guard:
    """Registers the process groups that the node starts with the reaper and in pid files."""

    def __init__(self) -> None:
        self._reaper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the reaper in its own session, so that Ctrl-C in a terminal does not end it."""
        self._reaper = subprocess.Popen(  # noqa: S603 (our own script)
            [sys.executable, "-I", "-S", reaper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )

    def close(self) -> None:
        """Close the reaper's input, so that it ends the remaining process groups, and wait for it."""
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            self._reaper.wait()
            self._reaper = None

    def started(self, pid: int, pid_file: Path) -> None:
        """Register a new process that leads its own group."""
        self._tell(f"+{pid}\n")
        pid_file.parent.mkdir(parents=True, exist_ok=True)
        pid_file.write_text(f"{pid} {_start_time(pid)}")

    def ended(self, pid: int, pid_file: Path) -> None:
        """Kill the rest of the group of a process that has ended: a container ends with its first process."""
        kill_group(pid, signal.SIGKILL)
        self._tell(f"-{pid}\n")
        pid_file.unlink(missing_ok=True)

    def _tell(self, line: str) -> None:
        if self._reaper is not None and self._reaper.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # the reaper was killed; the pid files remain
                self._reaper.stdin.write(line.encode())


def kill_group(pid: int, number: int) -> None:
    """Send a signal to a process group, if it exists."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def end_leftovers(pods: Path) -> int:
    """Kill the processes of pid files below `pods`, which an earlier cluster left; returns their number."""
    ended = 0
    for pid_file in pods.glob("*/run/*.pid"):
        number, _, start_time = pid_file.read_text().partition(" ")
        # If the start time differs, the system has given the pid to another process.
        if number.isdigit() and start_time and _start_time(int(number)) == start_time:
            kill_group(int(number), signal.SIGKILL)
            ended += 1
        pid_file.unlink(missing_ok=True)
    return ended


def _start_time(pid: int) -> str:
    """The start time of a process, which differs if the pid is reused; "" if the system does not report it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
