"""End the processes that an interrupted test run leaves behind. It outlives the run by seconds.

The run holds the only writing end of this program's standard input, and each process that it starts inherits a
variable with the ID of the run. The end of input means that the run is over: by Ctrl-C, by SIGKILL, or normally.
Processes with the ID get SIGTERM, then SIGKILL. Run as a script; standard library only. Without /proc it does nothing.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "TEST_RUN_ID"
GRACE = 10.0  # seconds from SIGTERM to SIGKILL


def main() -> None:
    """Wait for the end of the run, then end its remaining processes."""
    sys.stdin.read()
    mark = f"{VARIABLE}={sys.argv[1]}".encode()
    deadline = time.monotonic() + GRACE
    signalled: set[int] = set()
    while left := set(_marked(mark)):
        if time.monotonic() > deadline:
            for pid in left:
                _send(pid, signal.SIGKILL)
        for pid in left - signalled:
            _send(pid, signal.SIGTERM)
        signalled |= left
        time.sleep(0.1)


def _marked(mark: bytes) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The reaper of the local cluster ends pods when their cluster has ended, and then itself.
            own = b"reaper.py" in (process / "cmdline").read_bytes()
            if not own and mark in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


if __name__ == "__main__":
    main()
