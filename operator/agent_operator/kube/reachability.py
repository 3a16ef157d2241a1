"""Whether the API server responds. Logs once when it stops responding, and once when it responds again."""

import logging
import ssl
import threading
from collections.abc import Callable

import aiohttp

log = logging.getLogger(__name__)

# One broken connection is no outage, because servers close idle connections. Transport tries a request five times.
_FAILURES = 3


class Reachability:
    """Records the result of every request to the API server, those of kopf and of the Lease's thread included.

    Attributes:
        first_answer: time of the first response to this process; None before it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.first_answer: float | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._failing_since = 0.0

    @property
    def unreachable(self) -> bool:
        """Whether the last requests all failed without a response."""
        return self._failures >= _FAILURES

    async def middleware(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Record the result of a request, as a client middleware of aiohttp."""
        server = str(request.url.origin())
        try:
            response = await handler(request)
        except (aiohttp.ClientConnectionError, TimeoutError, ssl.SSLError) as error:
            self.failed(server, error)
            raise
        self.answered(server)
        return response

    def answered(self, server: str) -> None:
        """Record a response with any status."""
        with self._lock:
            now = self._clock()
            if self.first_answer is None:
                self.first_answer = now
            was_unreachable, self._failures = self.unreachable, 0
        if was_unreachable:
            seconds = round(now - self._failing_since)
            log.info("the API server is reachable again", extra={"server": server, "seconds": seconds})

    def failed(self, server: str, error: Exception) -> None:
        """Record a request without a response."""
        with self._lock:
            self._failures += 1
            failures = self._failures
            if failures == 1:
                self._failing_since = self._clock()
        if failures == _FAILURES:
            message = (
                "the API server is unreachable: check its address in the kubeconfig, the network, and that it runs"
            )
            log.warning(message, extra={"server": server, "error": type(error).__name__})
