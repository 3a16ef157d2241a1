"""Where pod logs come from: the node implements this, the API server serves it."""

from collections.abc import AsyncIterator
from typing import Protocol

from localkube.apiserver.status import Object


class LogSource(Protocol):
    """The logs of running containers."""

    async def logs(  # noqa: PLR0913 - the parameters of the API
        self,
        pod: Object,
        container: str,
        *,
        previous: bool,
        follow: bool,
        tail: int | None,
        since: float | None,
        timestamps: bool,
    ) -> AsyncIterator[bytes]:
        """Chunks of a container's log. `tail` is in lines, `since` a Unix time in seconds."""
        ...
