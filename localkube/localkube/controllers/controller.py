"""The loop of every controller: changes queue keys, the loop reconciles them and retries failures with back-off."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from localkube.apiserver.registry import Registry
from localkube.client.events import EventRecorder
from localkube.client.workqueue import WorkQueue
from localkube.meta.objects import Key, controller_of, key_of
from localkube.meta.status import ApiError, Object

logger = logging.getLogger(__name__)

FIRST_RETRY = 0.05  # seconds; doubled per failure of the same key
LAST_RETRY = 60.0


@dataclass(frozen=True, slots=True)
class Context:
    """The dependencies of controllers. `clock` gives Unix seconds; `backoff_scale` multiplies the back-off of Jobs."""

    registry: Registry
    clock: Callable[[], float] = time.time
    backoff_scale: float = 1.0

    def recorder(self, component: str) -> EventRecorder:
        """A recorder of Events for one component."""
        return EventRecorder(self.registry, component, self.clock)


class Controller(ABC):
    """Reconciles the objects of one resource, one at a time. `reconcile` never awaits, so nothing runs meanwhile."""

    name: str  # component of the Events
    manager = "kube-controller-manager"  # field manager of the writes

    def __init__(self, context: Context) -> None:
        self.registry = context.registry
        self.clock = context.clock
        self.events = context.recorder(self.name)
        self.queue = WorkQueue()
        self._stops: list[Callable[[], None]] = []
        self._failures: dict[Key, int] = {}

    @abstractmethod
    def start(self) -> None:
        """Subscribe to resources: subclasses call `self.watch` for each."""

    @abstractmethod
    def reconcile(self, key: Key) -> float | None:
        """Reconcile one object; returns the seconds after which to requeue it, or None."""

    def watch(self, resource: str, callback: Callable[[str, Object], None]) -> None:
        """Call back for every object of a resource, then for every change. A callback must only queue keys."""
        self._stops.append(self.registry.subscribe(resource, callback))

    def enqueue(self, _event: str, obj: Object) -> None:
        """Callback: queue the object itself."""
        self.queue.add(key_of(obj))

    def enqueue_controller(self, kind: str) -> Callable[[str, Object], None]:
        """Callback: queue the object's controller, if it is of this kind."""

        def callback(_event: str, obj: Object) -> None:
            owner = controller_of(obj)
            if owner is not None and owner["kind"] == kind:
                self.queue.add((obj["metadata"].get("namespace", ""), owner["name"]))

        return callback

    async def run(self) -> None:
        """Reconcile until cancelled."""
        self.start()
        try:
            while True:
                self._attempt(await self.queue.get())
                await asyncio.sleep(0)  # let other tasks of the event loop run
        finally:
            self.queue.close()
            for stop in self._stops:
                stop()

    def _attempt(self, key: Key) -> None:
        try:
            again = self.reconcile(key)
        except ApiError as error:
            logger.debug("%s: %s: %s", self.name, "/".join(key), error)
            again = self._back_off(key)
        except Exception:  # an object that fails must not stop the controller
            logger.exception("%s: %s", self.name, "/".join(key))
            again = self._back_off(key)
        else:
            self._failures.pop(key, None)
        if again is not None:
            self.queue.add_after(key, again)

    def _back_off(self, key: Key) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return float(min(FIRST_RETRY * 2 ** min(failures, 16), LAST_RETRY))
