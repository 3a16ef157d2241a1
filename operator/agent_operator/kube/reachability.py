"""Whether the API server answers at all. Logged once when it no longer does, and once when it does again."""

import logging
import ssl
from collections.abc import Callable

import aiohttp

log = logging.getLogger(__name__)

# One connection that breaks says little, for servers close connections that are idle. Requests are tried five times.
_FAILURES = 3


class Reachability:
    """Takes in what becomes of every request, kopf's too.

    Attributes:
        first_answer: the clock's reading at the first answer to this process; None before it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.first_answer: float | None = None
        self._clock = clock
        self._failures = 0
        self._lost = 0.0

    @property
    def unreachable(self) -> bool:
        """Whether the last requests all failed without an answer."""
        return self._failures >= _FAILURES

    async def middleware(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Take in what becomes of a request, as a middleware of aiohttp."""
        server = str(request.url.origin())
        try:
            response = await handler(request)
        except (aiohttp.ClientConnectionError, TimeoutError, ssl.SSLError) as failure:
            self.failed(server, failure)
            raise
        self.answered(server)
        return response

    def answered(self, server: str) -> None:
        """Note an answer, whatever its status."""
        if self.first_answer is None:
            self.first_answer = self._clock()
        if self.unreachable:
            seconds = round(self._clock() - self._lost)
            log.info("the API server is reachable again", extra={"server": server, "seconds": seconds})
        self._failures = 0

    def failed(self, server: str, error: Exception) -> None:
        """Note that there was no answer."""
        self._failures += 1
        if self._failures == 1:
            self._lost = self._clock()
        if self._failures == _FAILURES:
            what = "the API server is unreachable: check its address in the kubeconfig, the network, and that it runs"
            log.warning(what, extra={"server": server, "error": type(error).__name__})
