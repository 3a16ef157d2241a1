"""Whether a loop that talks to the API server is alive, and whether it gets on: what the probes are made of.

The two are different. A loop whose requests are refused is alive, and a restart would not help it: it is not ready. A
loop that has heard nothing for long is a zombie, and only a restart helps. To wait for an API that the cluster does not
serve is neither.
"""

from collections.abc import Callable

# Shorter troubles are part of every cluster's life: a probe that reported them would flap.
_TROUBLE_AFTER = 30.0


class Heartbeat:
    """What one loop hears of the API server. A loop may read several streams: each must be heard of.

    Attributes:
        about: what the loop does now, for messages: `the watch of Pod`.
    """

    def __init__(self, about: str, clock: Callable[[], float]) -> None:
        self.about = about
        self._clock = clock
        self._heard = {"": clock()}
        self._trouble = ""
        self._since = 0.0

    @property
    def seen(self) -> float:
        """The clock's reading when the stream that has been silent the longest was last heard of."""
        return min(self._heard.values())

    def expect(self, about: str, *streams: str) -> None:
        """Go on to something else, with these streams in place of the former ones."""
        before = self.seen
        self.about = about
        self._heard = dict.fromkeys(streams or ("",), before)

    def beat(self, stream: str = "") -> None:
        """Note that the API server was heard of, whatever it answered."""
        if stream in self._heard:
            self._heard[stream] = self._clock()

    def well(self) -> None:
        """Note that the loop got what it asked for."""
        self._trouble = ""

    def fail(self, why: str) -> None:
        """Note that it did not. Troubles without a success between them are one."""
        if not self._trouble:
            self._since = self._clock()
        self._trouble = why

    def trouble(self) -> str:
        """Describe a trouble that has lasted; empty when there is none."""
        lasted = self._clock() - self._since
        if not self._trouble or lasted < _TROUBLE_AFTER:
            return ""
        return f"{self.about} has failed for {lasted:.0f} s: {self._trouble}"
