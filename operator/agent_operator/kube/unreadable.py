"""Counts and logs the objects that the operator cannot read."""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet

from agent_operator.kube.objects import Live, Ref

log = logging.getLogger(__name__)


class UnreadableObjects:
    """The unreadable objects of the watched kinds. It logs each object once per resourceVersion."""

    def __init__(self) -> None:
        self._versions: dict[Ref, tuple[str, int]] = {}

    def counts(self) -> Mapping[str, float]:
        """Return the number of unreadable objects by kind."""
        return Counter(target.kind for target in self._versions)

    def record(self, target: Ref, live: Live) -> None:
        """Record whether an object is readable."""
        if not live.unreadable:
            self._versions.pop(target, None)
            return
        if self._versions.get(target) != (live.uid, live.version):
            extra = {"kind": target.kind, "namespace": target.namespace, "object": target.name, "why": live.unreadable}
            log.warning("object cannot be read: it is skipped until it changes", extra=extra)
        self._versions[target] = (live.uid, live.version)

    def forget(self, target: Ref) -> None:
        """Forget an object that was deleted."""
        self._versions.pop(target, None)

    def retain(self, kind: str, namespaces: Iterable[str], listed: AbstractSet[Ref] | Collection[Ref]) -> None:
        """Forget the objects that a complete list does not contain. Empty `namespaces`: the list is cluster-wide."""
        scope = set(namespaces)
        for target in [it for it in self._versions if it.kind == kind and it not in listed]:
            if not scope or target.namespace in scope:
                del self._versions[target]
