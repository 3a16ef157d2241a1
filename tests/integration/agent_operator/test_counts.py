"""The number of requests of the operator: the minimum for a change, and none without a change."""

from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

CHILDREN = {
    "serviceaccounts",
    "configmaps",
    "controllerrevisions",
    "networkpolicies",
    "services",
    "poddisruptionbudgets",
    "deployments",
}


async def test_creating_an_agent_takes_one_write_per_child_and_one_of_the_status(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(monitoring={"serviceMonitor": {"enabled": False}})
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        written = [write.split("/")[-2] for write in cluster.proxy.child_writes]
        assert sorted(written) == sorted(CHILDREN)
        # Once after the children, then with each change of the status of the Deployment.
        first = [write.endswith("/status") for write in cluster.proxy.writes].index(True)
        assert first == len(CHILDREN)
        assert 1 <= len(cluster.proxy.status_writes) <= 5


async def test_reconciling_an_unchanged_agent_sends_no_request(cluster: Cluster) -> None:
    async with cluster.operator(resync=1) as controller:
        await cluster.api.apply_agent()
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        before = list(cluster.proxy.requests)
        unchanged = controller.metrics.reconciles.labels("resync", "unchanged")._value

        async def ten_passes() -> bool:
            return unchanged.get() >= 10

        await wait_until(ten_passes)
        assert cluster.proxy.requests == before


async def test_a_restart_with_unchanged_agents_writes_nothing(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        for name in ("support", "sales", "legal"):
            await cluster.api.apply_agent(name, autoscaling={"maxReplicas": 5}, ingress={"host": f"{name}.example.com"})
        for name in ("support", "sales", "legal"):
            await cluster.api.wait_for_reason("ConfigValid", "Valid", name)
            await cluster.wait_until_idle(controller, name)
    cluster.proxy.requests.clear()
    async with cluster.operator() as controller:
        for name in ("support", "sales", "legal"):
            await cluster.wait_until_idle(controller, name)
        assert controller.metrics.reconciles.labels("agent", "unchanged")._value.get() == 3
        assert cluster.proxy.writes == []


async def test_changing_one_field_takes_at_most_two_writes_and_the_status(cluster: Cluster) -> None:
    async with cluster.operator() as controller:
        await cluster.api.apply_agent(replicas=2)
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        cluster.proxy.requests.clear()
        await cluster.api.apply_agent(replicas=2, service={"port": 8080})

        async def changed() -> bool:
            service = await cluster.api.get("Service", "support")
            return service["spec"]["ports"][0]["port"] == 8080

        await wait_until(changed)
        await cluster.api.wait_for_reason("ConfigValid", "Valid")
        await cluster.wait_until_idle(controller)
        assert 1 <= len(cluster.proxy.child_writes) <= 2, cluster.proxy.child_writes
        assert len(cluster.proxy.status_writes) <= 1
