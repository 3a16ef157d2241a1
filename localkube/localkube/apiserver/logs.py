"""The logs of pods: the node implements `LogSource`, the API server serves it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from localkube.meta.status import Object


@dataclass(frozen=True, slots=True)
class PodLogOptions:
    """The parameters of `pods/x/log`. `tail` is in lines, `since` in Unix seconds."""

    container: str = ""
    previous: bool = False
    follow: bool = False
    tail: int | None = None
    since: float | None = None
    timestamps: bool = False


class LogSource(Protocol):
    """Reads the logs of containers."""

    async def logs(self, pod: Object, options: PodLogOptions) -> AsyncIterator[bytes]:
        """Chunks of the log of one container. Raises ApiError 400 when it has none."""
        ...
