"""Deployments with real processes, driven by the real kubectl."""

import asyncio
import re
from typing import Any

import aiohttp
import pytest

from localkube.cluster import LocalCluster

pytestmark = pytest.mark.local_only


async def test_a_deployment_becomes_available_and_answers_through_its_service(
    cluster: LocalCluster, kubectl: Any, deployment: Any, service: dict[str, Any]
) -> None:
    await kubectl.apply(deployment(replicas=2, env=[{"name": "VERSION", "value": "one"}]), service)
    assert "successfully rolled out" in await kubectl("rollout", "status", "deployment/web")
    assert "condition met" in await kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=120s")
    address = cluster.service_address("default", "web", 8080)
    assert address
    host, port = address
    names = set()
    async with aiohttp.ClientSession() as client:
        for _ in range(4):
            async with client.get(f"http://{host}:{port}/", headers={"Connection": "close"}) as answer:
                name, version = (await answer.text()).split()
                assert version == "one"
                names.add(name)
    assert len(names) == 2, "connections go to the ready pods in turn"


async def test_endpoint_slices_contain_ready_pods(
    kubectl: Any, deployment: Any, service: dict[str, Any], pods: Any
) -> None:
    await kubectl.apply(deployment(replicas=2), service)
    await kubectl("rollout", "status", "deployment/web")
    shown = await kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "json")
    for pod in pods():
        assert pod["status"]["podIP"] in shown


async def revisions(kubectl: Any) -> list[str]:
    """The revisions that kubectl shows."""
    return re.findall(r"^(\d+) ", await kubectl("rollout", "history", "deployment/web"), re.MULTILINE)


async def test_restart_history_and_undo(kubectl: Any, deployment: Any, cluster: LocalCluster) -> None:
    """A new template is a revision; undo makes the previous ReplicaSet the newest revision."""
    await kubectl.apply(deployment(env=[{"name": "VERSION", "value": "one"}]))
    await kubectl("rollout", "status", "deployment/web")
    await kubectl("set", "env", "deployment/web", "VERSION=two")
    await kubectl("rollout", "status", "deployment/web")
    await kubectl("rollout", "restart", "deployment/web")
    await kubectl("rollout", "status", "deployment/web")
    assert await revisions(kubectl) == [
        "1",
        "2",
        "3",
    ]
    await kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    await kubectl("rollout", "status", "deployment/web")
    assert await revisions(kubectl) == [
        "2",
        "3",
        "4",
    ]
    live = cluster.registry.get("deployments.apps", "default", "web")
    assert live["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "VERSION", "value": "one"}]
    assert len(cluster.registry.list("replicasets.apps", "default")) == 3, "the old ReplicaSet is used again"


async def test_scale_up_and_down(kubectl: Any, deployment: Any, pods: Any, until: Any) -> None:
    await kubectl.apply(deployment())
    await kubectl("scale", "deployment/web", "--replicas=3")
    await kubectl("rollout", "status", "deployment/web")
    assert len(pods()) == 3
    await kubectl("scale", "deployment/web", "--replicas=0")
    await until(lambda: not pods())


async def test_a_rolling_update_fails_no_request(
    cluster: LocalCluster, kubectl: Any, deployment: Any, service: dict[str, Any]
) -> None:
    """With maxUnavailable 0 and load through the Service, every request during a rollout is answered."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    drain = {"preStop": {"sleep": {"seconds": 3}}}  # else what the server has not accepted yet is lost with it
    await kubectl.apply(deployment(replicas=2, spec={"strategy": strategy}, lifecycle=drain), service)
    await kubectl("rollout", "status", "deployment/web")
    address = cluster.service_address("default", "web", 8080)
    assert address
    host, port = address
    versions: list[str] = []
    done = asyncio.Event()

    async def load(client: aiohttp.ClientSession) -> None:
        while not done.is_set():
            async with client.get(f"http://{host}:{port}/env/VERSION") as answer:
                assert answer.status == 200
                versions.append(await answer.text())

    # With the header "Connection: close" alone, aiohttp reuses connections that the server has closed.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as client, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(load(client))
        for version in ("two", "three"):
            await kubectl("set", "env", "deployment/web", f"VERSION={version}")
            await kubectl("rollout", "status", "deployment/web")
        done.set()
    assert {"two", "three"} <= set(versions)


async def test_recreate_starts_the_new_pod_after_the_old_one_is_gone(
    kubectl: Any, deployment: Any, cluster: LocalCluster
) -> None:
    running: set[str] = set()
    most = 0

    def watch(event: str, pod: dict[str, Any]) -> None:
        nonlocal most
        name = pod["metadata"]["name"]
        (running.discard if event == "DELETED" else running.add)(name)
        most = max(most, len(running))

    stop = cluster.registry.subscribe("pods", watch)
    await kubectl.apply(deployment(spec={"strategy": {"type": "Recreate"}}))
    await kubectl("rollout", "status", "deployment/web")
    await kubectl("set", "env", "deployment/web", "VERSION=two")
    await kubectl("rollout", "status", "deployment/web")
    stop()
    assert most == 1


async def test_pause_and_resume(kubectl: Any, deployment: Any, cluster: LocalCluster, until: Any) -> None:
    await kubectl.apply(deployment())
    await kubectl("rollout", "status", "deployment/web")
    await kubectl("rollout", "pause", "deployment/web")
    await kubectl("set", "env", "deployment/web", "VERSION=two")

    def progressing() -> Any:
        conditions = cluster.registry.get("deployments.apps", "default", "web")["status"]["conditions"]
        return next(c for c in conditions if c["type"] == "Progressing")["reason"]

    await until(lambda: progressing() == "DeploymentPaused")
    assert len(cluster.registry.list("replicasets.apps", "default")) == 1
    await kubectl("rollout", "resume", "deployment/web")
    await kubectl("rollout", "status", "deployment/web")
    assert len(cluster.registry.list("replicasets.apps", "default")) == 2


async def test_a_rollout_without_ready_pods_exceeds_its_progress_deadline(
    kubectl: Any, deployment: Any, cluster: LocalCluster, until: Any
) -> None:
    await kubectl.apply(deployment())
    await kubectl("rollout", "status", "deployment/web")
    await kubectl("patch", "deployment/web", "-p", '{"spec": {"progressDeadlineSeconds": 2}}')
    await kubectl("set", "env", "deployment/web", "READY=never")
    shown = await kubectl("rollout", "status", "deployment/web", fails=True)
    assert "exceeded its progress deadline" in shown
    live = cluster.registry.get("deployments.apps", "default", "web")
    assert live["status"]["availableReplicas"] == 1, "the old pod goes on serving"


async def test_deleting_a_deployment_deletes_its_replicasets_and_pods(
    kubectl: Any, deployment: Any, cluster: LocalCluster, pods: Any, until: Any
) -> None:
    await kubectl.apply(deployment(replicas=2))
    await kubectl("rollout", "status", "deployment/web")
    await kubectl("delete", "deployment/web")
    await until(lambda: not pods())
    assert not cluster.registry.list("replicasets.apps", "default")


async def test_an_autoscaler_keeps_the_deployment_within_its_bounds(kubectl: Any, deployment: Any, pods: Any) -> None:
    await kubectl.apply(deployment())
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3}
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    await kubectl.apply({**kind, "metadata": {"name": "web"}, "spec": spec})
    await kubectl("wait", "--for=jsonpath={.status.readyReplicas}=2", "deployment/web", "--timeout=120s")
    assert "FailedGetResourceMetric" in await kubectl("describe", "hpa", "web")


async def test_a_disruption_budget_counts_ready_pods(kubectl: Any, deployment: Any) -> None:
    await kubectl.apply(deployment(replicas=2))
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    kind = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}
    await kubectl.apply({**kind, "metadata": {"name": "web"}, "spec": spec})
    await kubectl("wait", "--for=jsonpath={.status.disruptionsAllowed}=1", "pdb/web", "--timeout=120s")
