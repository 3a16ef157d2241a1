"""The termination message, which Kubernetes shows in the status of a container that ended."""

import os
from contextlib import suppress
from pathlib import Path

MAX_BYTES = 4096
_VARIABLE = "TERMINATION_LOG"
_DEFAULT = Path("/dev/termination-log")


def write_message(message: bytes) -> None:
    """Write the message to $TERMINATION_LOG, or to the default file of Kubernetes if it exists. Ignores failures."""
    configured = os.environ.get(_VARIABLE)
    # The kubelet creates the default file before the container starts. Outside of Kubernetes, do not create it in /dev.
    path, mode = (Path(configured), "wb") if configured else (_DEFAULT, "r+b")
    with suppress(OSError), path.open(mode) as file:
        file.write(message[:MAX_BYTES])
        file.truncate()
