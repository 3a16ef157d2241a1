"""Liveness and readiness of a loop that talks to the API server. The health probes report both.

The two differ. A loop whose requests are rejected is live but not ready, and a restart would not help. A loop that has
received nothing for a long time is not live, and only a restart helps. A loop that waits for an API that the cluster
does not serve is live and ready.
"""

from collections.abc import Callable

# Shorter failures are normal in every cluster: a probe that reported them would flap.
_REPORT_AFTER = 30.0


class Heartbeat:
    """What one loop receives from the API server. A loop may read several streams, and each must be live.

    The thread of the Lease writes its heartbeat, and the event loop of the reconciler reads it. Each method assigns
    last what the readers check first.

    Attributes:
        activity: what the loop does now, for messages: `the watch of Pod`.
    """

    def __init__(self, activity: str, clock: Callable[[], float]) -> None:
        self.activity = activity
        self._clock = clock
        self._last_seen = {"": clock()}
        self._failure = ""
        self._failing_since = 0.0

    @property
    def last_seen(self) -> float:
        """Time of the last beat of the stream that has been silent the longest."""
        return min(self._last_seen.values())

    def expect(self, activity: str, *streams: str) -> None:
        """Start another activity that reads these streams. It inherits the last beat: silence is not hidden."""
        before = self.last_seen
        self.activity = activity
        self._last_seen = dict.fromkeys(streams or ("",), before)

    def beat(self, stream: str = "") -> None:
        """Record that the API server sent something, even an error."""
        if stream in self._last_seen:
            self._last_seen[stream] = self._clock()

    def succeed(self) -> None:
        """Record that a request of the loop succeeded."""
        self._failure = ""

    def fail(self, reason: str) -> None:
        """Record that a request of the loop failed. Failures without a success between them count as one."""
        if not self._failure:
            self._failing_since = self._clock()
        self._failure = reason

    def lasting_failure(self) -> str:
        """Describe a failure that lasts for 30 seconds or more; empty without one."""
        duration = self._clock() - self._failing_since
        if not self._failure or duration < _REPORT_AFTER:
            return ""
        return f"{self.activity} has failed for {duration:.0f} s: {self._failure}"
