"""Removes Events after 1 h, like `kube-apiserver --event-ttl`, so that they do not fill the memory."""

from collections import deque
from datetime import datetime, timedelta

from localkube import clock
from localkube.apiserver.storage.store import Event, Key, Store

LIFETIME = timedelta(hours=1)


class EventExpiry:
    """Removes Events that have not changed for `LIFETIME`, whenever a new Event is written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ages: deque[tuple[datetime, Key, int]] = deque()  # time, key and resourceVersion of each write
        store.listen("events", "", self._observe)

    def _observe(self, event: Event) -> None:
        if event.type == "DELETED":
            return
        now = clock.now()
        self._ages.append((now, event.record.key, event.record.version))
        while self._ages and now - self._ages[0][0] > LIFETIME:
            _, key, version = self._ages.popleft()
            record = self._store.bucket("events").get(key)
            if record is not None and record.version == version:
                self._store.drop("events", record, {**record.object, "metadata": dict(record.object["metadata"])})
