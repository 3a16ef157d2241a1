"""Which pods a selector matches, and which selectors match a pod."""

from collections.abc import Mapping

from localkube.apiserver.registry import Registry
from localkube.meta.objects import Key, key_of, labels_of
from localkube.meta.selectors import LabelSelector
from localkube.meta.status import Object


def select(registry: Registry, resource: str, namespace: str, selector: LabelSelector) -> list[Object]:
    """The objects of a namespace that a selector matches. The registry's label index finds them."""
    found = registry.list(resource, namespace, labels=dict(selector.pairs()))
    return [obj for obj in found if selector.matches(obj)]


class SelectorIndex:
    """Finds the selectors that match a changed pod without trying each. Indexed by a label that a selector requires."""

    def __init__(self) -> None:
        self._selectors: dict[Key, tuple[tuple[str, str, str], LabelSelector]] = {}
        self._buckets: dict[tuple[str, str, str], set[Key]] = {}
        self._labels: dict[Key, Mapping[str, str]] = {}

    def put(self, key: Key, selector: LabelSelector) -> None:
        """Set the selector of an object. It selects in the object's namespace."""
        self.drop(key)
        pairs = selector.pairs()
        bucket = (key[0], *pairs[0]) if pairs else (key[0], "", "")
        self._selectors[key] = bucket, selector
        self._buckets.setdefault(bucket, set()).add(key)

    def drop(self, key: Key) -> None:
        """Remove the selector of an object."""
        bucket, _ = self._selectors.pop(key, (None, None))
        if bucket is None:
            return
        keys = self._buckets[bucket]
        keys.discard(key)
        if not keys:
            del self._buckets[bucket]

    def affected(self, event: str, pod: Object) -> set[Key]:
        """The objects whose selector matches a changed pod, now or before the change."""
        key = key_of(pod)
        found = self._matching(key[0], labels_of(pod))
        before = self._labels.get(key)
        if before is not None and before != labels_of(pod):
            found |= self._matching(key[0], before)
        if event == "DELETED":
            self._labels.pop(key, None)
        else:
            self._labels[key] = labels_of(pod)
        return found

    def _matching(self, namespace: str, labels: Mapping[str, str]) -> set[Key]:
        found = set()
        candidate = {"metadata": {"labels": labels}}
        for pair in (*labels.items(), ("", "")):
            for key in self._buckets.get((namespace, *pair), ()):
                if self._selectors[key][1].matches(candidate):
                    found.add(key)
        return found
