"""How many agents of a namespace may be processed at a time, so that there are workers for those of others."""

from collections import Counter

from agent_operator.kube.objects import Key

# Per worker: slow agents that namespaces with several of them share, and agents in progress in all.
_SLOW = 3
_ALL = 8


class NamespaceShares:
    """The agents in progress by namespace.

    - One namespace leaves a worker to others. If k namespaces have agents in progress, each gets a k-th of the workers.
    - An agent that takes long waits for a response. It counts as slow instead, or a few of them would take all workers.
      A namespace may have as many slow agents as could still be added: half of the places, or a third if two namespaces
      have many. So places are always left for another one.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._running: Counter[str] = Counter()
        self._slow: Counter[str] = Counter()
        self._slow_keys: set[Key] = set()

    @property
    def is_full(self) -> bool:
        """Whether no agent of any namespace may be processed now."""
        return len(self._slow_keys) + self._workers > _ALL * self._workers

    def may_start(self, namespace: str) -> bool:
        """Return whether another agent of a namespace may be processed now."""
        slow = self._slow[namespace]
        if slow and slow >= _SLOW * self._workers - len(self._slow_keys):
            return False
        return self._running[namespace] < self._share(namespace)

    def _share(self, namespace: str) -> int:
        namespaces = len(self._running) + (namespace not in self._running)
        return max(1, self._workers - 1) if namespaces == 1 else -(-self._workers // namespaces)

    def start(self, key: Key) -> None:
        """Count an agent."""
        self._running[key.namespace] += 1

    def mark_slow(self, key: Key) -> None:
        """Count an agent as slow until it ends."""
        _decrement(self._running, key.namespace)
        self._slow[key.namespace] += 1
        self._slow_keys.add(key)

    def end(self, key: Key) -> None:
        """Count an agent no more."""
        if key in self._slow_keys:
            self._slow_keys.remove(key)
            _decrement(self._slow, key.namespace)
        else:
            _decrement(self._running, key.namespace)


def _decrement(counter: Counter[str], namespace: str) -> None:
    counter[namespace] -= 1
    if not counter[namespace]:
        del counter[namespace]
