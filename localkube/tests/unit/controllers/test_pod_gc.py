"""The pod garbage collector."""

import pytest

from localkube.apiserver.registry import Registry
from localkube.controllers.controller import Context
from localkube.controllers.pod_gc import QUARANTINE, PodGarbageCollector
from localkube.meta.status import Object


def pod(name: str, node: str) -> Object:
    """A pod that is bound to a node, or to none."""
    containers = [{"name": "main", "image": "i:1"}]
    spec = {"containers": containers} | ({"nodeName": node} if node else {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize(
    ("node", "is_deleted"), [("missing", True), ("local", False), ("registered", False), ("", False)]
)
async def test_a_pod_of_a_missing_node_is_deleted_after_a_while(node: str, is_deleted: bool) -> None:
    """A terminating pod, too: no kubelet ends it."""
    registry, now = Registry(), [0.0]
    registry.bootstrap()
    registry.create("nodes", "", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "registered"}}, manager="t")
    collector = PodGarbageCollector(Context(registry, lambda: now[0]), "local")
    collector.start()
    registry.create("pods", "default", pod("p", node), manager="t")

    left = collector.reconcile(("default", "p"))
    assert left == (QUARANTINE if is_deleted else None)
    now[0] += QUARANTINE
    collector.reconcile(("default", "p"))

    assert (registry.find("pods", "default", "p") is None) == is_deleted
