"""Running controllers on a registry; the test acts as the node."""

import asyncio
import copy
from typing import Any

from localkube.apiserver.registry import Registry
from localkube.controllers.controller import Context, Controller
from localkube.controllers.manager import ControllerManager
from localkube.controllers.revisions import template_hash
from localkube.meta.status import ApiError


def new(kind: str, name: str, **parts: Any) -> dict[str, Any]:
    """Make an object; `kind` is apiVersion and kind."""
    version, _, word = kind.rpartition("/")
    return {"apiVersion": version, "kind": word, "metadata": {"name": name}, **parts}


def change(registry: Registry, **spec: Any) -> None:
    live = copy.deepcopy(registry.get("deployments.apps", "default", "web"))
    live["spec"].update(spec)
    registry.update("deployments.apps", "default", live, manager="test")


def with_image(registry: Registry, image: str) -> None:
    template = copy.deepcopy(registry.get("deployments.apps", "default", "web")["spec"]["template"])
    template["spec"]["containers"][0]["image"] = image
    change(registry, template=template)


def status(registry: Registry) -> Any:
    return registry.get("deployments.apps", "default", "web").get("status", {})


def is_done(registry: Registry, replicas: int) -> bool:
    found = status(registry)
    counts = [found.get(k) for k in ("replicas", "updatedReplicas", "availableReplicas")]
    generation = registry.get("deployments.apps", "default", "web")["metadata"]["generation"]
    return counts == [replicas] * 3 and found["observedGeneration"] == generation


async def roll(registry: Registry, make_ready: Any, until: Any, replicas: int) -> None:
    def step() -> bool:
        make_ready()
        return is_done(registry, replicas)

    await until(step)


async def test_a_rollout_keeps_within_surge_and_unavailable(
    registry: Registry, deployment: Any, make_ready: Any, until: Any
) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    registry.create("deployments.apps", "default", deployment(4, strategy=strategy), manager="test")
    await roll(registry, make_ready, until, 4)
    most, least = 0, 99

    def watch(_event: str, _pod: Any) -> None:
        nonlocal most, least
        pods = registry.list("pods", "default")
        most = max(most, len(pods))
        least = min(least, sum("podIP" in p["status"] for p in pods))

    stop = registry.subscribe("pods", watch)
    with_image(registry, "i:2")
    await roll(registry, make_ready, until, 4)
    stop()
    assert (most, least) == (5, 4)
    assert {p["spec"]["containers"][0]["image"] for p in registry.list("pods")} == {"i:2"}


async def test_controllers_are_idle_without_changes(
    registry: Registry, deployment: Any, make_ready: Any, until: Any
) -> None:
    registry.create("deployments.apps", "default", deployment(2), manager="test")
    await roll(registry, make_ready, until, 2)
    await asyncio.sleep(0.2)
    before = registry.store.version
    await asyncio.sleep(0.3)
    assert registry.store.version == before


async def test_old_replicasets_over_the_history_limit_are_deleted(
    registry: Registry, deployment: Any, make_ready: Any, until: Any
) -> None:
    registry.create("deployments.apps", "default", deployment(1, revisionHistoryLimit=1), manager="test")
    await roll(registry, make_ready, until, 1)
    for image in ("i:2", "i:3"):
        with_image(registry, image)
        await roll(registry, make_ready, until, 1)
    await until(lambda: len(registry.list("replicasets.apps")) == 2)


async def test_min_ready_seconds_delays_availability(
    registry: Registry, deployment: Any, make_ready: Any, until: Any
) -> None:
    """The controller requeues itself: no event announces that a pod has become available."""
    registry.create("deployments.apps", "default", deployment(1, minReadySeconds=1), manager="test")
    pod = await until(lambda: next(iter(registry.list("pods")), None))
    stamp = registry.create("configmaps", "default", new("v1/ConfigMap", "now"), manager="test")
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": stamp["metadata"]["creationTimestamp"]}
    running = {**pod, "status": {**pod["status"], "podIP": "127.0.0.9", "phase": "Running", "conditions": [ready]}}
    registry.update("pods", "default", running, manager="test", subresource="status")
    await until(lambda: status(registry).get("readyReplicas") == 1)
    await until(lambda: status(registry).get("availableReplicas") == 1)


async def test_a_deleted_pod_is_replaced(registry: Registry, deployment: Any, until: Any) -> None:
    registry.create("deployments.apps", "default", deployment(1), manager="test")
    (one,) = await until(lambda: registry.list("pods"))
    registry.delete("pods", "default", one["metadata"]["name"])
    await until(lambda: [p for p in registry.list("pods") if p["metadata"]["uid"] != one["metadata"]["uid"]])


async def test_an_orphan_is_adopted_and_a_relabelled_pod_is_released(
    registry: Registry, deployment: Any, until: Any
) -> None:
    registry.create("deployments.apps", "default", deployment(1), manager="test")
    (one,) = await until(lambda: registry.list("pods"))
    labels = {k: v for k, v in one["metadata"]["labels"].items() if k != "app"}
    registry.update("pods", "default", {**one, "metadata": {**one["metadata"], "labels": labels}}, manager="test")

    def owners() -> Any:
        return registry.get("pods", "default", one["metadata"]["name"])["metadata"].get("ownerReferences")

    await until(lambda: not owners() and len(registry.list("pods")) == 2)
    live = registry.get("pods", "default", one["metadata"]["name"])
    labels = one["metadata"]["labels"]
    registry.update("pods", "default", {**live, "metadata": {**live["metadata"], "labels": labels}}, manager="test")
    await until(lambda: len(registry.list("pods", labels={"app": "web"})) == 1)


async def test_a_name_collision_changes_the_hash(registry: Registry, deployment: Any, until: Any) -> None:
    created = registry.create("deployments.apps", "default", deployment(0, paused=True), manager="test")

    name = f"web-{template_hash(created['spec']['template'], None)}"
    labels = {"x": "y"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    registry.create("replicasets.apps", "default", new("apps/v1/ReplicaSet", name, spec=spec), manager="test")
    change(registry, paused=False)
    await until(lambda: len(registry.list("replicasets.apps")) == 2)
    assert status(registry)["collisionCount"] == 1


async def test_endpoints_follow_readiness(registry: Registry, deployment: Any, make_ready: Any, until: Any) -> None:
    registry.create("deployments.apps", "default", deployment(2), manager="test")
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    registry.create("services", "default", new("v1/Service", "web", spec=spec), manager="test")
    await roll(registry, make_ready, until, 2)

    def addresses() -> list[str]:
        slices = registry.list("endpointslices.discovery.k8s.io", "default")
        endpoints = [endpoint for found in slices for endpoint in found["endpoints"] or ()]
        return [address for e in endpoints if e["conditions"]["ready"] for address in e["addresses"]]

    await until(lambda: len(addresses()) == 2)
    registry.delete("services", "default", "web")
    await until(lambda: not registry.list("endpointslices.discovery.k8s.io", "default"))


async def test_a_deleted_default_service_account_is_created_again(registry: Registry, until: Any) -> None:
    registry.create("namespaces", "", new("v1/Namespace", "more"), manager="test")
    await until(lambda: registry.find("serviceaccounts", "more", "default"))
    await until(lambda: registry.find("configmaps", "more", "kube-root-ca.crt"))
    registry.delete("serviceaccounts", "more", "default")
    await until(lambda: registry.find("serviceaccounts", "more", "default"))


async def test_a_pod_waits_while_the_node_is_cordoned(until: Any) -> None:
    registry = Registry()
    registry.bootstrap()
    size = {"allocatable": {"pods": "10"}}
    registry.create("nodes", "", new("v1/Node", "local", spec={"unschedulable": True}, status=size), manager="test")
    pod = new("v1/Pod", "one", spec={"containers": [{"name": "a", "image": "b"}]})
    async with ControllerManager(Context(registry), node="local", lookup=lambda _, p: p):
        registry.create("pods", "default", pod, manager="test")
        await until(lambda: [e for e in registry.list("events") if e["reason"] == "FailedScheduling"])
        node = registry.get("nodes", "", "local")
        registry.update("nodes", "", {**node, "spec": {}}, manager="test")
        await until(lambda: registry.get("pods", "default", "one")["spec"].get("nodeName") == "local")


async def test_a_failing_key_is_retried_and_does_not_block_others(until: Any) -> None:
    done: list[str] = []

    class Fragile(Controller):
        name = "fragile"

        def start(self) -> None:
            for name in ("api", "bug", "fine"):
                self.queue.add(("n", name))

        def reconcile(self, key: tuple[str, str]) -> float | None:
            done.append(key[1])
            if done.count(key[1]) == 1 and key[1] == "api":
                raise ApiError({"message": "conflict", "code": 409})
            if done.count(key[1]) == 1 and key[1] == "bug":
                raise KeyError("bug")
            return None

    task = asyncio.create_task(Fragile(Context(Registry())).run())
    await until(lambda: sorted(done) == ["api", "api", "bug", "bug", "fine"])
    task.cancel()


async def test_repeated_events_are_counted(registry: Registry) -> None:
    events = Context(registry, clock=lambda: 0.0).recorder("tester")
    for _ in range(3):
        events.warning(registry.get("namespaces", "", "default"), "Broken", "it is broken")
    (one,) = registry.list("events", "default")
    assert (one["count"], one["reason"], one["source"]) == (3, "Broken", {"component": "tester"})
