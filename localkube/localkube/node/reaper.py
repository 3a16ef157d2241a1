"""Ends what a cluster leaves behind when it is killed: a process of its own that outlives it by seconds.

The cluster holds the only writing end of this program's standard input and writes `+<pgid>` for each process group it
starts and `-<pgid>` for each that ended. The end of input means that the cluster is gone, however it went: what is left
gets SIGTERM, then SIGKILL. Run as a script; standard library only, so that it starts quickly.
"""

import contextlib
import os
import signal
import sys
import time

GRACE = 2.0  # seconds from SIGTERM to SIGKILL


def main() -> None:
    """Follow the list of groups until the end of input."""
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        if line.startswith("+"):
            groups.add(number)
        else:
            groups.discard(number)
    _end(groups)


def _end(groups: set[int]) -> None:
    left = {group for group in groups if _signal(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if _signal(group, 0)}
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    main()
