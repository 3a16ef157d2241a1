"""Commands in containers: the node implements `Executor`, the API server serves it."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from localkube.meta.status import Object


class Executor(Protocol):
    """Starts commands in containers."""

    async def execute(self, pod: Object, container: str, command: Sequence[str]) -> asyncio.subprocess.Process:
        """Start a command with pipes for stdout and stderr. Raises ApiError if the container does not run."""
        ...
