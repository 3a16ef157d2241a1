"""Entry point of `agent-operator`: it handles SIGTERM before it imports the rest, which takes about a second."""

import signal
import sys
from types import FrameType

from agent_operator import kubernetes_package


def main() -> None:
    """Run the operator."""
    # In a container this is process 1. The kernel drops a signal to process 1 that has no handler, and a pod that is
    # deleted as it starts would run until the end of its grace period.
    signal.signal(signal.SIGTERM, _exit)
    kubernetes_package.import_lazily()
    from agent_operator.command import main as run  # noqa: PLC0415  (see above)

    run()


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
