"""A separate process that ends the processes of a cluster when the cluster is killed.

The cluster has the only writing end of the reaper's standard input. It writes `+<pgid>` for each process group that it
starts, and `-<pgid>` for each that has ended. The end of input means that the cluster has ended: the reaper sends
SIGTERM to the remaining groups, then SIGKILL. It is a script that imports only the standard library, to start quickly.
"""

import contextlib
import os
import signal
import sys
import time

GRACE = 2.0  # seconds from SIGTERM to SIGKILL


def main() -> None:
    """Read process groups until the end of input, then end those that remain."""
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
