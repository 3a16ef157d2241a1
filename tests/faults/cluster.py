"""A namespace of the local cluster, and operators that reach it through a proxy that injects faults."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent_operator.kube.objects import Key, Ref, agent_key, ref, version
from agent_operator.kube.resources import WATCHED, Kind
from agent_operator.kube.transport import ApiError
from agent_operator.kube.workqueue import Trigger
from agent_operator.manager.manager import Manager
from localkube.cluster import LocalCluster
from tests.faults.proxy import FaultProxy, Write
from tests.faults.shape import CHECKS, masked, status_shape
from tests.integration.agent_operator.api_client import ApiClient
from tests.integration.agent_operator.running_manager import operator_settings, run_manager
from tests.patience import DEADLINE
from tests.polling import wait_until

NAME = "support"
_PERIODIC = {Trigger.RESYNC, Trigger.REFERENCE, Trigger.ROLLOUT}
_NAMESPACED = {kind.kind: kind for kind in WATCHED if kind.namespaced}
_CALM_ATTEMPTS = 5


@dataclass(frozen=True)
class EndState:
    """The end state of a run, without what differs from run to run.

    Attributes:
        children: as text, by kind and name.
        status: of the agent.
        created: how often each object was created, by path.
        deleted: paths of the deleted objects. Deleting an object again, with the same UID, has no effect.
    """

    children: dict[str, str]
    status: dict[str, Any]
    created: Counter[str]
    deleted: set[str]


@dataclass
class Cluster:
    """A namespace of the local cluster, and operators that reach it through a proxy.

    Attributes:
        api: bypasses the proxy.
        kubeconfig: of the operators, through the proxy.
        skew: `seconds` by which the clock of the cluster's controllers is ahead.
        local: the local cluster; None for that of `--kubeconfig`.
        longest_delay: seconds between two attempts to reconcile a failing agent.
    """

    api: ApiClient
    proxy: FaultProxy
    kubeconfig: Path
    skew: dict[str, float]
    local: LocalCluster | None
    longest_delay: float = 0.2
    # Seconds until a run must have settled.
    deadline: float = DEADLINE

    async def use_new_namespace(self) -> None:
        """Create a namespace and use it from now on; stop injecting faults."""
        self.api = ApiClient(self.api.transport, f"test-{uuid.uuid4().hex[:8]}")
        await self.api.create("Namespace", {"metadata": {"name": self.api.namespace}})
        self.proxy.reset()

    @asynccontextmanager
    async def operator(self, **changed: Any) -> AsyncIterator[Manager]:
        """Run an operator while the block runs. Once the proxy has killed it, none of its requests passes."""
        manager = Manager(operator_settings(self.kubeconfig, self.api.namespace, **changed))
        manager.queue._longest_delay = self.longest_delay
        try:
            async with run_manager(manager, self.proxy.killed):
                yield manager
        finally:
            self.proxy.killed.clear()

    async def wait_until_converged(self, controller: Manager, name: str = NAME, *, reason: str = "Ready") -> None:
        """Wait until nothing is left to do. Then reconcile twice more, which must write nothing."""
        await self.api.wait_for_reason("Ready", reason, name)
        key = Key(self.api.namespace, name)
        for _ in range(_CALM_ATTEMPTS):
            await self.wait_until_settled(controller, name)
            before = len(self.writes_of(name))
            for _ in range(2):
                reconciled_again = partial(_has_reconciled_since, controller, _reconciles(controller))
                controller.queue.add(key, Trigger.AGENT)
                await wait_until(reconciled_again)
                await self.wait_until_idle(controller, name)
            late = self.writes_of(name)[before:]
            # The status may follow a report that comes at its own time: of an autoscaler every 15 s, or of the pods.
            if not late or not all(write.path.endswith(f"/{name}/status") for write in late):
                break
        if late:
            pytest.fail(f"writes after convergence: {late}")

    def writes_of(self, name: str) -> list[Write]:
        """The writes to an agent and its children."""
        return [write for write in self.proxy.writes if f"/{name}" in write.path]

    async def converges(self, controller: Manager, name: str = NAME) -> bool:
        """Wait until the operator has converged or is killed; False when it was killed."""
        return await self.unless_killed(self.wait_until_converged(controller, name))

    async def unless_killed(self, waiting: Coroutine[Any, Any, Any]) -> bool:
        """Wait for a coroutine, or until the operator is killed; False when it was killed."""
        rest = asyncio.create_task(waiting)
        killed = asyncio.create_task(self.proxy.killed.wait())
        await asyncio.wait({rest, killed}, return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
        if self.proxy.killed.is_set():
            rest.cancel()
            await asyncio.wait({rest})
            return False
        await rest
        return True

    async def wait_until_idle(self, controller: Manager, name: str = NAME) -> None:
        """Wait until no reconcile runs, and none is scheduled except the periodic ones."""
        key = Key(self.api.namespace, name)

        async def is_idle() -> bool:
            return _is_idle(controller, key)

        try:
            await wait_until(is_idle)
        except TimeoutError:
            timers = {str(trigger) for of, trigger in controller.queue._timers if of == key}
            waiting, met = key in controller.queue._waiting, controller.store.expectations_met(key)
            pytest.fail(f"not idle: waiting: {waiting}; timers: {timers}; expectations met: {met}")

    async def wait_until_settled(self, controller: Manager, name: str = NAME) -> None:
        """Wait until the cluster's controllers are idle, and the operator has observed all objects and is idle.

        Ready is not enough: an agent is Ready again while the garbage collector still deletes the pods of a canary.
        """
        key = Key(self.api.namespace, name)

        async def is_settled() -> bool:
            cluster_is_idle = self.local is None or self.local.is_idle
            return cluster_is_idle and _is_idle(controller, key) and not await self._not_in_sync(controller, key)

        try:
            await wait_until(is_settled, self.deadline)
        except TimeoutError:
            pytest.fail(f"idle: {_is_idle(controller, key)}; not in sync: {await self._not_in_sync(controller, key)}")

    async def _not_in_sync(self, controller: Manager, key: Key) -> set[tuple[Ref, int]]:
        """Versions of the agent's objects that are either only in the cluster or only in the operator's cache."""
        seen = controller.store.children(key)
        in_cache = {(target, live.version) for target, live in seen.items() if target.kind in _NAMESPACED}
        return await self._versions(key) ^ in_cache

    async def _versions(self, key: Key) -> set[tuple[Ref, int]]:
        """The versions of the agent's objects in the cluster, without pods whose owner was deleted."""
        found = [
            (ref(kind, obj), obj)
            for kind, resource in _NAMESPACED.items()
            for obj in await self._list(resource)
            if agent_key(obj) == key
        ]
        owners = {obj["metadata"]["uid"] for _, obj in found}
        return {
            (target, version(obj))
            for target, obj in found
            if target.kind != "Pod" or any(of["uid"] in owners for of in obj["metadata"].get("ownerReferences", ()))
        }

    async def _list(self, kind: Kind) -> list[dict[str, Any]]:
        """All objects of a kind."""
        if self.local is not None:
            return list(self.local.registry.list(f"{kind.plural}.{kind.group}".rstrip(".")))
        with suppress(ApiError):  # an optional API that the cluster lacks
            return (await self.api.call("GET", kind.path(kind.versions[0]))).get("items") or []
        return []

    async def end_state(self, name: str = NAME) -> EndState:
        """Return the end state of this run."""
        agent = await self.api.get("AgentDeployment", name) or {"metadata": {"uid": "?"}}
        names = {self.api.namespace: "NS", agent["metadata"]["uid"]: "UID"}
        # The garbage collector deletes Jobs that are done, among others, at its own time.
        children = {key: child for key, child in (await self.api.children(name)).items() if _stays(child)}
        created = Counter(self._masked(write) for write in self.proxy.writes if write.created)
        deleted = {self._masked(write) for write in self.proxy.writes if write.deleted}
        texts = {" ".join(key): masked(child, names) for key, child in children.items()}
        return EndState(texts, status_shape(agent, names), created, deleted)

    def _masked(self, write: Write) -> str:
        return CHECKS.sub("-checks-HASH", write.path.replace(self.api.namespace, "NS"))


def _is_idle(controller: Manager, key: Key) -> bool:
    workqueue, workers = controller.queue, controller._workers
    # A worker skips an agent whose expectations have been met.
    timers = {trigger for of, trigger in workqueue._timers if of == key} - _PERIODIC - {Trigger.EXPECTATION}
    working = key in workqueue._waiting or (workers is not None and key in workers._busy)
    return not working and not timers and controller.store.expectations_met(key)


def _stays(child: dict[str, Any]) -> bool:
    return "deletionTimestamp" not in child["metadata"]


def _reconciles(controller: Manager) -> float:
    return sum(
        sample.value
        for metric in controller.metrics.reconciles.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


async def _has_reconciled_since(controller: Manager, count: float) -> bool:
    return _reconciles(controller) > count
