"""Entry point of `agent-runtime`: it handles SIGTERM before it imports the rest."""

import signal
import sys
from types import FrameType


def main() -> int:
    """Run a command; return its exit status."""
    # In a container this is process 1. The kernel drops a signal to process 1 that has no handler, and a pod that is
    # deleted as it starts would run until the end of its grace period.
    signal.signal(signal.SIGTERM, _exit)
    from agent_runtime.command import main as run  # noqa: PLC0415  (see above)

    return run()


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
