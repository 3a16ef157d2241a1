"""Kubernetes Events about changes of state, which `kubectl describe` shows.

The conditions in status contain the previous state, so a restarted operator does not repeat Events.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from agent_operator.api import constants
from agent_operator.api.reasons import Reason
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
# Conditions that cause an Event when they get this status. Reconciling and Progressing change too often.
_EVENT_TYPES: Mapping[tuple[str, str], str] = {
    ("Ready", "True"): "Normal",
    ("ConfigValid", "False"): "Warning",
    ("SecretsReady", "False"): "Warning",
    ("Stalled", "True"): "Warning",
    ("Warning", "True"): "Warning",
}
_ROLLOUT_REASONS = frozenset({Reason.CANARY, Reason.CANARY_PAUSED})


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

    async def record(
        self, agent: Object, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
    ) -> None:
        """Post an Event for every condition that changed. Events are best effort: a failure is logged."""
        for condition, severity in transitions(before, after):
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


def transitions(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> Iterable[tuple[Mapping[str, Any], str]]:
    """Yield the conditions that changed status or reason and cause an Event, with its type; each reason once."""
    previous = {condition["type"]: (condition["status"], condition["reason"]) for condition in before}
    emitted = set()
    for condition in after:
        severity = _EVENT_TYPES.get((condition["type"], condition["status"]))
        if condition["type"] == "Progressing" and condition["reason"] in _ROLLOUT_REASONS:
            severity = "Normal"
        changed = previous.get(condition["type"]) != (condition["status"], condition["reason"])
        if severity and changed and condition["reason"] not in emitted:
            emitted.add(condition["reason"])
            yield condition, severity
