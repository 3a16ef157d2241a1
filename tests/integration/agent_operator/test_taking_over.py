"""An adopted object has what the agent renders, also if no field manager accounts for its former content."""

from typing import Any

import pytest

from agent_operator.kube.transport import JSON_PATCH
from tests.integration.agent_operator.cluster import Cluster

Object = dict[str, Any]
ADOPT = "agent-operator.dev/adopt"
LABELS = {"app": "support"}
CONTAINER = {"name": "agent", "image": "registry.example.com/a:1", "env": [{"name": "OLD", "value": "1"}]}
SIDE = {"name": "side", "image": "registry.example.com/b:1"}


def former() -> dict[str, Object]:
    pod = {"containers": [CONTAINER, SIDE], "initContainers": [SIDE | {"name": "first"}], "hostNetwork": True}
    template = {"metadata": {"labels": LABELS}, "spec": pod | {"volumes": [{"name": "more", "emptyDir": {}}]}}
    metadata = {"name": "support"}
    ports = [{"name": "old", "port": 8443}, {"name": "http", "port": 80}]
    return {
        "Deployment": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": template},
        },
        "Service": {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "type": "LoadBalancer",
                "selector": LABELS | {"tier": "old"},
                "ports": ports,
                "externalIPs": ["192.0.2.1"],
                "loadBalancerSourceRanges": ["192.0.2.0/24"],
                "publishNotReadyAddresses": True,
            },
        },
    }


async def _reset(cluster: Cluster, kind: str) -> None:
    patch = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    await cluster.api.call("PATCH", cluster.api.path(kind, "support"), body=patch, content_type=JSON_PATCH)
    found = await cluster.api.get(kind, "support") or {}
    assert "managedFields" not in found["metadata"]


@pytest.mark.parametrize("is_reset", [False, True])
async def test_nothing_of_the_former_owner_runs_or_receives_traffic(cluster: Cluster, is_reset: bool) -> None:
    objects = former()
    for kind, obj in objects.items():
        await cluster.api.create(kind, obj)
        if is_reset:
            await _reset(cluster, kind)
    address = (await cluster.api.get("Service", "support") or {})["spec"]["clusterIP"]
    async with cluster.operator():
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("Ready", "Conflict")
        adopt = {"metadata": {"annotations": {ADOPT: "Deployment/support,Service/support"}}}
        await cluster.api.merge("AgentDeployment", "support", adopt)
        await cluster.api.wait_for_reason("Ready", "Ready")
        children = await cluster.api.children()

    deployment, service = children["Deployment", "support"]["spec"], children["Service", "support"]["spec"]
    pod = deployment["template"]["spec"]
    assert [it["name"] for it in pod["containers"]] == ["agent"]
    assert "OLD" not in [it["name"] for it in pod["containers"][0]["env"]]
    assert not pod.get("initContainers")
    assert not pod.get("hostNetwork")
    assert "more" not in [it["name"] for it in pod["volumes"]]
    assert [(it["name"], it["port"]) for it in service["ports"]] == [("http", 80), ("metrics", 9090)]
    assert service["clusterIP"] == address
    assert service["type"] == "ClusterIP"
    assert service["selector"] == LABELS
    assert not {"externalIPs", "loadBalancerSourceRanges", "publishNotReadyAddresses"} & service.keys()
