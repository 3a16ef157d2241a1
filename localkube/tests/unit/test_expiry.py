"""The expiry of Events."""

from datetime import UTC, datetime, timedelta

import pytest

from localkube import clock
from localkube.apiserver.registry import Registry
from localkube.apiserver.storage.store import Store


def test_an_event_is_removed_an_hour_after_its_last_change(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(Store())
    registry.bootstrap()
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    involved = {"kind": "ConfigMap", "name": "a", "namespace": "default"}

    def emit(name: str, minutes: int) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment + timedelta(minutes=minutes))
        event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "involvedObject": involved}
        registry.create("events", "default", event, manager="test")

    emit("old", 0)
    emit("touched", 1)
    monkeypatch.setattr(clock, "now", lambda: moment + timedelta(minutes=50))
    touched = registry.get("events", "default", "touched")
    registry.update("events", "default", {**touched, "message": "again"}, manager="test")
    emit("new", 70)
    assert [e["metadata"]["name"] for e in registry.list("events")] == ["new", "touched"]
