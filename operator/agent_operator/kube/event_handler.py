"""Hands the objects that an informer reads to a cache, so that one object cannot affect the others."""

import logging
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Protocol

from agent_operator.kube.objects import Key, Object, Ref

log = logging.getLogger(__name__)


class Cache(Protocol):
    """Receives what an informer watches, and returns the agents to reconcile."""

    def observe(self, kind: str, event: str, obj: Object) -> Key | None:
        """Record an event."""
        ...

    def retain(self, kind: str, namespaces: Iterable[str], listed: AbstractSet[Ref]) -> set[Key]:
        """Remove the objects that a complete list does not contain."""
        ...


class EventHandler:
    """Records events of one kind. An error concerns only the object of the event."""

    def __init__(self, kind: str, cache: Cache) -> None:
        self._kind = kind
        self._cache = cache

    def handle(self, event: str, obj: Object, changed: Callable[[Key], None]) -> None:
        """Record an event, and call `changed` with the agent to reconcile."""
        try:
            key = self._cache.observe(self._kind, event, obj)
            if key is not None:
                changed(key)
        except Exception:
            meta = obj["metadata"]
            extra = {"kind": self._kind, "namespace": meta.get("namespace", ""), "object": meta["name"]}
            log.exception("event cannot be processed: it is skipped", extra=extra)

    def retain(self, namespaces: Iterable[str], listed: AbstractSet[Ref], changed: Callable[[Key], None]) -> None:
        """Remove the objects that a complete list does not contain, and call `changed` with the agents to reconcile."""
        for key in self._cache.retain(self._kind, namespaces, listed):
            changed(key)
