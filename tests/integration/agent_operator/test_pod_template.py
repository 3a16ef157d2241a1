"""spec.podTemplate on an API server: merged, rejected with a condition, and without further writes."""

from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
TEMPLATE = {
    "metadata": {"labels": {"team": "billing"}},
    "spec": {
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["proxy"]}],
        "containers": [
            {"name": "agent", "env": [{"name": "EMPTY", "value": ""}]},
            {"name": "log", "image": "log:1", "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}},
        ],
    },
}


async def test_a_merged_template_converges(cluster: Cluster) -> None:
    async with cluster.operator(resync=1) as controller:
        await cluster.api.apply_agent(replicas=1, config=ECHO, podTemplate=TEMPLATE)
        await cluster.api.wait_for_reason("Ready", "Ready")
        await cluster.wait_until_idle(controller)
        template = (await cluster.api.get("Deployment", "support"))["spec"]["template"]
        assert template["metadata"]["labels"]["team"] == "billing"
        assert {container["name"] for container in template["spec"]["containers"]} == {"agent", "log"}
        before = list(cluster.proxy.requests)
        unchanged = controller.metrics.reconciles.labels("resync", "unchanged")._value

        async def passes() -> bool:
            return unchanged.get() >= 3

        await wait_until(passes)
        assert cluster.proxy.requests == before


async def test_an_invalid_template_does_not_change_the_pods(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(replicas=1, config=ECHO)
        await cluster.api.wait_for_reason("Ready", "Ready")
        await cluster.wait_until_idle(controller)
        before = await cluster.api.get("Deployment", "support")

        privileged = {"name": "agent", "securityContext": {"privileged": True}}
        await cluster.api.apply_agent(replicas=1, config=ECHO, podTemplate={"spec": {"containers": [privileged]}})

        refused = await cluster.api.wait_for_reason("ConfigValid", "PodTemplateUnsafe")
        path = "spec.podTemplate.spec.containers[agent].securityContext.privileged"
        assert refused["message"].startswith(f"{path}: ")
        assert await cluster.api.get("Deployment", "support") == before
