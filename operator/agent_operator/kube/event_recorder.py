"""Kubernetes Events about changes of state, which `kubectl describe` shows.

Events are best effort.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from agent_operator.api import constants
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Object
from agent_operator.kube.transport import ApiError
from agent_operator.observability.rate_limit import RateLimit
from agent_runtime.config.terminal import printable

log = logging.getLogger(__name__)

_NOTE_LIMIT = 1024
# The spam filter of client-go, per object: a burst, then one Event in five minutes.
_BURST = 25
_SECONDS_PER_EVENT = 300.0


class EventRecorder:
    """Posts Events, for each object at most as many as client-go.

    Attributes:
        dropped: number of Events that were not posted because their object has too many.
    """

    def __init__(self, cluster: Cluster, instance: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Create a recorder. `instance` identifies the operator process."""
        self.dropped = 0
        self._cluster = cluster
        self._instance = instance[:128]
        self._limit = RateLimit(clock, _BURST, _SECONDS_PER_EVENT)

    async def record(self, agent: Object, events: Iterable[tuple[Mapping[str, Any], str]]) -> None:
        """Post an Event for each of these conditions, with its type."""
        for condition, severity in events:
            await self.emit(constants.KIND, agent, severity, condition["reason"], condition["message"])

    async def emit(self, kind: str, about: Object, severity: str, reason: str, note: str) -> None:
        """Post one Event, unless the object has too many. A failure is logged."""
        if self._limit.take((kind, about["metadata"]["uid"])) is None:
            self.dropped += 1
            return
        # Events of cluster-scoped objects are in the namespace default.
        namespace = about["metadata"].get("namespace") or "default"
        try:
            await self._cluster.post_event(namespace, self._event(kind, about, severity, reason, note))
        except ApiError as error:
            name = f"{namespace}/{about['metadata']['name']}"
            log.warning("event not posted", extra={"agent": name, "reason": reason, "code": error.code})

    def _event(self, kind: str, about: Object, severity: str, reason: str, note: str) -> Object:
        meta = about["metadata"]
        now = datetime.now(UTC)
        unique = f"{meta['uid']}{reason}{note}{now.isoformat()}"
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta['name']}.{blake2b(unique.encode(), digest_size=8).hexdigest()}",
                "namespace": meta.get("namespace") or "default",
            },
            "regarding": {
                "apiVersion": constants.API_VERSION,
                "kind": kind,
                "name": meta["name"],
                "uid": meta["uid"],
                **({"namespace": meta["namespace"]} if meta.get("namespace") else {}),
            },
            "type": severity,
            "reason": reason,
            "action": "Reconcile",
            "note": printable(note[:_NOTE_LIMIT]),
            "reportingController": f"{constants.GROUP}/{constants.FIELD_MANAGER}",
            "reportingInstance": self._instance,
            "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }
