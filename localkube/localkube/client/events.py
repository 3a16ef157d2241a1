"""The Event recorder: repeated Events are counted in one object."""

import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from localkube.apiserver.registry import Registry
from localkube.meta.objects import timestamp
from localkube.meta.status import ApiError, Object

REMEMBERED = 4096  # Events of which a repetition is counted instead of written as a new object
NAME_LENGTH = 236  # limit for the object's name in the Event's: 253 characters, less a dot and 16 digits


@dataclass(slots=True)
class _Written:
    namespace: str
    name: str


class EventRecorder:
    """Writes Events for one component, such as `deployment-controller` or `kubelet`."""

    def __init__(self, registry: Registry, component: str, clock: Callable[[], float], host: str = "") -> None:
        self._registry = registry
        self._component = component
        self._clock = clock
        self._host = host
        self._written: OrderedDict[tuple[str, ...], _Written] = OrderedDict()

    def normal(self, obj: Object, reason: str, message: str, field_path: str = "") -> None:
        """Emit an Event of type Normal."""
        self._record("Normal", obj, reason, message, field_path)

    def warning(self, obj: Object, reason: str, message: str, field_path: str = "") -> None:
        """Emit an Event of type Warning."""
        self._record("Warning", obj, reason, message, field_path)

    def _record(self, kind: str, obj: Object, reason: str, message: str, field_path: str) -> None:
        metadata = obj["metadata"]
        identity = (metadata.get("uid", ""), kind, reason, message, field_path)
        # An Event that cannot be written must not fail the caller: its namespace may be terminating.
        with contextlib.suppress(ApiError):
            if not self._count_up(identity):
                event = self._event(kind, obj, reason, message, field_path)
                event["metadata"] = {"name": f"{metadata['name'][:NAME_LENGTH]}.{secrets.token_hex(8)}"}
                namespace = metadata.get("namespace") or "default"
                self._registry.create("events", namespace, event, manager=self._component)
                self._remember(identity, _Written(namespace, event["metadata"]["name"]))

    def _remember(self, identity: tuple[str, ...], written: _Written) -> None:
        self._written[identity] = written
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)

    def _count_up(self, identity: tuple[str, ...]) -> bool:
        written = self._written.get(identity)
        live = written and self._registry.find("events", written.namespace, written.name)
        if not written or not live:
            return False
        self._written.move_to_end(identity)
        again = {**live, "count": live.get("count", 1) + 1, "lastTimestamp": timestamp(self._clock())}
        self._registry.update("events", written.namespace, again, manager=self._component)
        return True

    def _event(self, kind: str, obj: Object, reason: str, message: str, field_path: str) -> Object:
        metadata = obj["metadata"]
        now = timestamp(self._clock())
        involved = {
            "apiVersion": obj.get("apiVersion"),
            "kind": obj.get("kind"),
            "namespace": metadata.get("namespace"),
            "name": metadata["name"],
            "uid": metadata.get("uid"),
            "resourceVersion": metadata.get("resourceVersion"),
            "fieldPath": field_path,
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "involvedObject": {k: v for k, v in involved.items() if v},
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": self._component, **({"host": self._host} if self._host else {})},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
