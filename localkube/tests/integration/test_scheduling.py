"""Pods that do not fit the node wait, report why, and start when they fit."""

from pathlib import Path
from typing import Any

import pytest

from localkube.cluster import LocalCluster

pytestmark = pytest.mark.local_only

Object = dict[str, Any]


@pytest.fixture
async def small(tmp_path: Path) -> Any:
    """A cluster with stand-in pods whose node has two CPUs and a label."""
    async with LocalCluster(state_dir=tmp_path / "small", stand_in=True) as running:
        node = running.registry.get("nodes", "", "local")
        labels = {**node["metadata"]["labels"], "disk": "ssd"}
        node = {**node, "metadata": {**node["metadata"], "labels": labels}}
        node = running.registry.update("nodes", "", node, manager="test")
        status = {**node["status"], "allocatable": {**node["status"]["allocatable"], "cpu": "2"}}
        running.registry.update("nodes", "", {**node, "status": status}, manager="test", subresource="status")
        yield running


def pod(name: str, cpu: str = "100m", **spec: Any) -> Object:
    container = {"name": "main", "image": "i:1", "resources": {"requests": {"cpu": cpu}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def why(cluster: LocalCluster, name: str) -> str:
    """The message of the condition PodScheduled of a waiting pod."""
    found = cluster.registry.get("pods", "default", name)["status"].get("conditions") or ()
    messages = [c["message"] for c in found if c["type"] == "PodScheduled" and c.get("reason") == "Unschedulable"]
    return messages[0] if messages else ""


def is_ready(cluster: LocalCluster, name: str) -> bool:
    found = cluster.registry.get("pods", "default", name)["status"].get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in found)


async def test_a_pod_waits_for_resources(small: LocalCluster, until: Any) -> None:
    registry = small.registry
    registry.create("pods", "default", pod("first", "1500m"), manager="test")
    await until(lambda: is_ready(small, "first"))
    registry.create("pods", "default", pod("second", "1"), manager="test")
    await until(lambda: "1 Insufficient cpu" in why(small, "second"))
    assert registry.get("pods", "default", "second")["status"]["phase"] == "Pending"
    events = [e for e in registry.list("events") if e["reason"] == "FailedScheduling"]
    assert [(e["type"], e["message"]) for e in events] == [("Warning", why(small, "second"))]
    registry.delete("pods", "default", "first")
    await until(lambda: is_ready(small, "second"))
    scheduled = [
        c for c in registry.get("pods", "default", "second")["status"]["conditions"] if c["type"] == "PodScheduled"
    ]
    assert (scheduled[0]["status"], "reason" in scheduled[0]) == ("True", False)


async def test_a_pod_waits_for_a_node_label(small: LocalCluster, until: Any) -> None:
    registry = small.registry
    registry.create("pods", "default", pod("here", nodeSelector={"disk": "ssd"}), manager="test")
    registry.create("pods", "default", pod("there", nodeSelector={"gpu": "yes"}), manager="test")
    await until(lambda: is_ready(small, "here"))
    await until(lambda: "didn't match Pod's node affinity/selector" in why(small, "there"))
    node = registry.get("nodes", "", "local")
    labels = {**node["metadata"]["labels"], "gpu": "yes"}
    registry.update("nodes", "", {**node, "metadata": {**node["metadata"], "labels": labels}}, manager="test")
    await until(lambda: is_ready(small, "there"))


async def test_an_unschedulable_pod_makes_a_rollout_exceed_its_deadline(small: LocalCluster, until: Any) -> None:
    """The old pod is kept. The deadline needs no event of a pod."""
    registry = small.registry

    def deployment(cpu: str) -> Object:
        spec = pod("x", cpu)["spec"]
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "replicas": 1,
                "progressDeadlineSeconds": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
            },
        }

    def progressing() -> str:
        found = registry.get("deployments.apps", "default", "web").get("status", {}).get("conditions") or ()
        return next((c["reason"] for c in found if c["type"] == "Progressing"), "")

    registry.create("deployments.apps", "default", deployment("100m"), manager="test")
    await until(lambda: progressing() == "NewReplicaSetAvailable")
    registry.update("deployments.apps", "default", deployment("64"), manager="test")
    await until(lambda: progressing() == "ProgressDeadlineExceeded")
    assert registry.get("deployments.apps", "default", "web")["status"]["availableReplicas"] == 1
    registry.update("deployments.apps", "default", deployment("100m"), manager="test")
    await until(lambda: progressing() == "NewReplicaSetAvailable")
