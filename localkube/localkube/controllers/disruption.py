"""The disruption controller: computes how many pods a PodDisruptionBudget allows to evict."""

from collections.abc import Callable
from dataclasses import dataclass

from localkube.apiserver.registry import Registry
from localkube.controllers.controller import Controller
from localkube.controllers.rollout import replicas_of, resolve
from localkube.controllers.selection import SelectorIndex, select
from localkube.meta.objects import Key, controller_of, key_of, timestamp, with_condition
from localkube.meta.pods import is_active, is_ready
from localkube.meta.selectors import LabelSelector
from localkube.meta.status import Object


@dataclass(frozen=True, slots=True)
class Budget:
    """The expected number of pods, and how many of them must be healthy."""

    expected: int
    desired: int


def budget(spec: Object, pods: int, scale: Callable[[], int]) -> Budget:
    """The budget for a number of matching pods; `scale` returns the desired replicas of their controllers."""
    unavailable = spec.get("maxUnavailable")
    if unavailable is not None:
        expected = scale()
        return Budget(expected, max(expected - resolve(unavailable, expected, up=True), 0))
    minimum = spec.get("minAvailable", 1)
    if isinstance(minimum, int):
        return Budget(pods, minimum)
    expected = scale()
    return Budget(expected, resolve(minimum, expected, up=True))


def status_of(pdb: Object, found: Budget, healthy: int, now: float) -> Object:
    """The status of a PDB, given its healthy pods."""
    allowed = max(healthy - found.desired, 0) if found.expected > 0 else 0
    generation = pdb["metadata"].get("generation", 1)
    condition = {
        "type": "DisruptionAllowed",
        "status": "True" if allowed else "False",
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
        "observedGeneration": generation,
        "lastTransitionTime": timestamp(now),
    }
    return {
        "conditions": with_condition(pdb.get("status", {}).get("conditions"), condition),
        "currentHealthy": healthy,
        "desiredHealthy": found.desired,
        "disruptionsAllowed": allowed,
        "expectedPods": found.expected,
        "observedGeneration": generation,
    }


class DisruptionController(Controller):
    """Updates the status of PodDisruptionBudgets."""

    name = "controllermanager"

    def start(self) -> None:
        """Watch budgets and pods."""
        self._selectors = SelectorIndex()
        self.watch("poddisruptionbudgets.policy", self._on_budget)
        self.watch("pods", self._on_pod)

    def _on_budget(self, event: str, pdb: Object) -> None:
        key = key_of(pdb)
        selector = pdb["spec"].get("selector")
        if event == "DELETED" or selector is None:
            self._selectors.drop(key)
        else:
            self._selectors.put(key, LabelSelector.of(selector))
        self.queue.add(key)

    def _on_pod(self, event: str, pod: Object) -> None:
        for key in self._selectors.affected(event, pod):
            self.queue.add(key)

    def reconcile(self, key: Key) -> float | None:
        """Count the matching pods and update the status."""
        pdb = self.registry.find("poddisruptionbudgets.policy", *key)
        if pdb is None:
            return None
        selector = pdb["spec"].get("selector")
        matching = [] if selector is None else select(self.registry, "pods", key[0], LabelSelector.of(selector))
        pods = [pod for pod in matching if is_active(pod)]
        try:
            found = budget(pdb["spec"], len(pods), lambda: expected_scale(self.registry, pods))
        except UnscalableError as error:
            self._write(pdb, failed_status_of(pdb, str(error), self.clock()))
            return None
        if not pods and pdb.get("status", {}).get("expectedPods") != 0:
            self.events.normal(pdb, "NoPods", "No matching pods found")
        self._write(pdb, status_of(pdb, found, sum(is_ready(pod) for pod in pods), self.clock()))
        return None

    def _write(self, pdb: Object, status: Object) -> None:
        if status != pdb.get("status"):
            changed = {**pdb, "status": status}
            namespace = pdb["metadata"]["namespace"]
            self.registry.update(
                "poddisruptionbudgets.policy", namespace, changed, manager=self.manager, subresource="status"
            )


class UnscalableError(Exception):
    """The controller of a pod has no scale subresource."""


def failed_status_of(pdb: Object, why: str, now: float) -> Object:
    """The status of a PDB whose expected pods are unknown: no disruption is allowed."""
    old = pdb.get("status", {})
    condition = {
        "type": "DisruptionAllowed",
        "status": "False",
        "reason": "SyncFailed",
        "message": why,
        "lastTransitionTime": timestamp(now),
    }
    counts = dict.fromkeys(("currentHealthy", "desiredHealthy", "expectedPods"), 0)
    return {**counts, **old, "disruptionsAllowed": 0, "conditions": with_condition(old.get("conditions"), condition)}


def expected_scale(registry: Registry, pods: list[Object]) -> int:
    """The sum of the desired replicas of the pods' controllers; a ReplicaSet's Deployment counts in its place."""
    owners: dict[str, int] = {}
    for pod in pods:
        owner = _topmost_controller(registry, pod)
        if owner is not None:
            owners[owner["metadata"]["uid"]] = replicas_of(owner)
    return sum(owners.values())


def _topmost_controller(registry: Registry, pod: Object) -> Object | None:
    """The topmost controller of a pod with replicas. Raises UnscalableError on failure."""
    found: Object | None = None
    child = pod
    while reference := controller_of(child):
        resource = registry.resources.by_kind(reference["apiVersion"], reference["kind"])
        if resource is None or resource.scale is None:
            if found is None:
                name = reference["kind"] if resource is None else resource.key
                raise UnscalableError(f"{name} does not implement the scale subresource")
            break
        owner = registry.find(resource.key, pod["metadata"]["namespace"], reference["name"])
        if owner is None or resource.custom:
            break
        found = child = owner
    return found
