"""Rate limits per object, so that one object cannot cause unlimited Events or log lines."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

# Lines per agent, and warnings per namespace: a burst, then one per this many seconds.
_AGENT_BURST, _AGENT_SECONDS = 20, 10.0
_NAMESPACE_BURST, _NAMESPACE_SECONDS = 100, 1.0
# As many as in client-go. Forgetting the least recently used one only resets its limit.
_MAX_KEYS = 4096


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float
    dropped: int = 0


class RateLimit:
    """A token bucket per key: a burst, and then one more per period."""

    def __init__(self, clock: Callable[[], float], burst: int, seconds: float) -> None:
        self._clock = clock
        self._burst = burst
        self._seconds = seconds
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: Hashable) -> int | None:
        """Take a token. Returns how many attempts were dropped since the last token, or None if there is no token."""
        now = self._clock()
        with self._lock:
            bucket = self._buckets.setdefault(key, _Bucket(self._burst, now))
            self._buckets.move_to_end(key)
            if len(self._buckets) > _MAX_KEYS:
                self._buckets.popitem(last=False)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) / self._seconds)
            bucket.filled_at = now
            if bucket.tokens < 1:
                bucket.dropped += 1
                return None
            bucket.tokens -= 1
            dropped, bucket.dropped = bucket.dropped, 0
            return dropped


class LogLimit(logging.Filter):
    """Drops records about an agent or a namespace that has too many.

    The next record has the number of dropped ones in `suppressed`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._agents = RateLimit(clock, _AGENT_BURST, _AGENT_SECONDS)
        self._namespaces = RateLimit(clock, _NAMESPACE_BURST, _NAMESPACE_SECONDS)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a record."""
        agent = _agent(record)
        if not agent:
            return True
        dropped = self._agents.take(agent)
        if dropped is not None and record.levelno >= logging.WARNING:
            more = self._namespaces.take(agent.partition("/")[0])
            dropped = None if more is None else dropped + more
        if dropped:
            record.suppressed = dropped
        return dropped is not None


def _agent(record: logging.LogRecord) -> str:
    """Return namespace/name of the agent of a record; empty without one. Records of kopf have a reference instead."""
    reference = getattr(record, "k8s_ref", None)
    if isinstance(reference, dict):
        return f"{reference.get('namespace')}/{reference.get('name')}"
    return str(getattr(record, "agent", ""))
