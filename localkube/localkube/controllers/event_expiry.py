"""Events go an hour after they last happened, as a real API server lets them go."""

from localkube.controllers.controller import Controller
from localkube.meta.objects import Key, unix_seconds
from localkube.meta.status import Object

LIFETIME = 3600.0  # seconds


def last_seen(event: Object) -> float:
    """Unix seconds of the last time that the event happened."""
    series = event.get("series") or {}
    stamps = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event["metadata"]["creationTimestamp"],
    )
    return unix_seconds(next(stamp for stamp in stamps if stamp))


class EventExpiryController(Controller):
    """Deletes old Events."""

    name = "event-expiry"

    def start(self) -> None:
        """Look at every Event once it may be old."""
        self.watch("events", self._on_event)

    def _on_event(self, event: str, obj: Object) -> None:
        if event == "ADDED":
            self.enqueue(event, obj)

    def reconcile(self, key: Key) -> float | None:
        """Delete the Event, or say when to look again."""
        found = self.registry.find("events", *key)
        if found is None:
            return None
        left = last_seen(found) + LIFETIME - self.clock()
        if left > 0:
            return left
        self.registry.delete("events", *key)
        return None
